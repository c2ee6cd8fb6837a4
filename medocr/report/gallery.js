const choices = document.querySelectorAll("select");
function show() {
  const [kind, type, model] = [...choices].map(choice => choice.value);
  let count = 0;
  for (const page of document.querySelectorAll("article")) {
    const errors = page.dataset.errors.split(" ");
    const fits = errors.some(e => (!model || e.startsWith(model + ":")) && (!kind || e.endsWith(":" + kind)));
    page.hidden = !fits || (type && page.dataset.type !== type);
    page.style.display = page.hidden ? "none" : "";
    count += !page.hidden;
  }
  document.getElementById("shown").textContent = count + " shown";
}
choices.forEach(choice => choice.addEventListener("change", show));
show();
