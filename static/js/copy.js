// [data-copy]: put its text, or that of the element it names, on the clipboard.
import { toast } from "./toast.js";

export function attach(button) {
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    const source = button.dataset.copyFrom ? document.getElementById(button.dataset.copyFrom) : null;
    const text = source ? source.textContent.trim() : button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
      toast("Copied", { forMs: 1500 });
    } catch {
      toast("The browser does not allow copying here; select the text instead.", { tone: "warn" });
    }
  });
}
