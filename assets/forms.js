// For the few pages that are plain HTML (second step, links, things shown once): the theme, the
// token behind '#', and copying. Nothing here is needed to fill in a form by hand.
const kept = localStorage.getItem("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const paint = () => {
  const dark = kept === "dark" || (kept !== "light" && system.matches);
  document.documentElement.classList.remove("dark", "light");
  document.documentElement.classList.add(dark ? "dark" : "light");
};
paint();
system.addEventListener("change", paint);

document.addEventListener("DOMContentLoaded", () => {
  const field = document.querySelector("input[data-from-hash]");
  const token = location.hash.slice(1);
  if (field && token) {
    field.value = token;
    history.replaceState(null, "", location.pathname);
    field.closest(".lo-field")?.setAttribute("hidden", "");
    if (field.dataset.fromHash === "send") field.form.requestSubmit();
  }
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText);
      button.textContent = "Copied";
    });
  }
});
