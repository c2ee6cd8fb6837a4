// One key per answer, while nobody is writing; Ctrl+Enter and Esc inside a correction.
(() => {
  const answers = {a: "accept", c: "correct", n: "absent", ArrowRight: "next", ArrowLeft: "back"};
  const press = (name) => {
    const button = document.getElementById(`mr-${name}`);
    if (button && button.offsetParent !== null) button.click();
    return Boolean(button);
  };
  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Escape") return press("leave");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return press("save");
    if (writing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const answer = answers[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (answer && press(answer)) event.preventDefault();
  });
  // A correction begins in the column that is most often wrong, else in the first.
  window.medocrWrite = () => setTimeout(() => {
    const columns = [...document.querySelectorAll(".mr-column")].filter((column) => column.offsetParent !== null);
    const likely = columns.find((column) => /^(value|dose)$/.test(column.querySelector("label")?.innerText.trim() || ""));
    (likely || columns[0])?.querySelector("input, textarea")?.select();
  }, 100);
  // The marked line comes into view with every field.
  new MutationObserver((changes) => {
    if (!changes.some((change) => change.addedNodes.length)) return;
    const mark = document.querySelector(".mr-mark");
    const scroll = mark && mark.closest(".mr-scroll");
    if (scroll && scroll.dataset.seen !== mark.style.cssText) {
      scroll.dataset.seen = mark.style.cssText;
      const centre = () => { scroll.scrollTop = mark.offsetTop - scroll.clientHeight / 2; };
      centre();
      scroll.querySelector("img").addEventListener("load", centre);
    }
  }).observe(document, {subtree: true, childList: true});
})();
