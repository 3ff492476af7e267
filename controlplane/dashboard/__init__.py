"""The browser's edge: pages in pages/, and live/ which keeps them current. docs/live.md is the contract."""
