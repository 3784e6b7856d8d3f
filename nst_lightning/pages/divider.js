for (const slider of document.querySelectorAll(".slider")) {
  const range = slider.querySelector("input");
  const show = () => {
    const at = Number(range.value);
    slider.style.setProperty("--at", at);
    range.setAttribute("aria-valuetext", `${at} % ${slider.dataset.left}, ${100 - at} % ${slider.dataset.right}`);
  };
  range.addEventListener("input", show);
  show();
}
