"""What operators watch: rules over what is measured, and objectives with an error budget. A crossing is one alert."""
