"use strict";
(async () => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const places = [...document.querySelectorAll("figure[data-figure]")];
  const font = { family: "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif", size: 13 };

  // The library is compressed: a browser reads it faster than it would read five times the text.
  async function loadLibrary() {
    const text = atob(document.getElementById("library").textContent);
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  // Colours are names of the style sheet, so that a figure fits a light page, a dark page, and paper.
  function paint(value, style) {
    if (typeof value === "string") return value.startsWith("--") ? style.getPropertyValue(value).trim() || value : value;
    if (Array.isArray(value)) return value.map((each) => paint(each, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, paint(each, style)]));
  }

  function draw(place) {
    const { data, layout } = figures[Number(place.dataset.figure)];
    const style = getComputedStyle(document.documentElement);
    const narrow = place.clientWidth < 520;
    const isPrinting = document.documentElement.classList.contains("printing");
    const legend = { orientation: "h", x: 0, xanchor: "left", y: 1, yanchor: "top", yref: "container" };
    const shared = {
      width: place.clientWidth,
      height: isPrinting ? 300 : narrow ? 360 : 400,
      margin: { l: narrow ? 52 : 64, r: 12, t: narrow && data.length > 2 ? 92 : 60, b: 48 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { ...font, size: narrow ? 12 : 13, color: "--ink" },
      hoverlabel: { bgcolor: "--panel", bordercolor: "--faint", font: { ...font, color: "--ink" }, align: "left" },
      legend: { ...legend, font: { size: 12 }, bgcolor: "rgba(0,0,0,0)" },
      dragmode: false,
    };
    const whole = paint({ ...shared, ...layout }, style);
    return Plotly.react(place, paint(data, style), whole, { displayModeBar: false, responsive: false });
  }

  function addSlider(place) {
    const figure = figures[Number(place.dataset.figure)];
    const { slider } = figure;
    const box = document.createElement("div");
    const input = Object.assign(document.createElement("input"), { type: "range", min: 0, max: slider.lams.length - 1 });
    const buttons = document.createElement("span");
    const output = document.createElement("output");
    box.className = "slider";
    input.setAttribute("aria-label", "strength of the penalty");
    box.append(input, buttons, output);
    place.parentElement.before(box);
    // The slider grows to the right, as the axis of the strengths does; the path descends.
    const last = slider.lams.length - 1;
    slider.names.forEach((name, index) => {
      if (!name) return;
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.addEventListener("click", () => show(index));
      button.dataset.index = index;
      buttons.prepend(button);
    });
    function show(index) {
      slider.index = index;
      input.value = last - index;
      const epoch = slider.chosen[index];
      const at = slider.epochs.indexOf(epoch);
      const [heldOut, training] = slider.losses.map((part) => part[index]);
      [heldOut, training].forEach((losses, which) => Object.assign(figure.data[which], { x: slider.epochs, y: losses }));
      const line = { color: "--ink", width: 1, dash: "dot" };
      figure.layout.shapes = [{ type: "line", x0: epoch, x1: epoch, y0: 0, y1: 1, yref: "paper", line, layer: "below" }];
      const number = (value) =>
        value === null ? "diverged" : Math.abs(value) < 1000 ? value.toPrecision(3) : value.toLocaleString("en", { maximumFractionDigits: 0 });
      const parts = [`epoch ${epoch}`, `held out ${number(heldOut[at])}`, `training ${number(training[at])}`];
      const strong = document.createElement("b");
      strong.textContent = `λ = ${slider.lams[index]}`;
      const name = slider.names[index] ? ` (${slider.names[index]})` : "";
      output.replaceChildren(strong, `${name}, δ = ${slider.deltas[index]}: ${parts.join(", ")}`);
      for (const button of buttons.children) button.setAttribute("aria-pressed", button.dataset.index === String(index));
      draw(place);
    }
    input.addEventListener("input", () => show(last - Number(input.value)));
    show(slider.index);
    return show;
  }

  try {
    await loadLibrary();
  } catch (error) {
    for (const place of places) place.textContent = "This browser is too old for the figures.";
    return;
  }
  let show = () => {};
  for (const place of places) {
    if (figures[Number(place.dataset.figure)].slider) show = addSlider(place);
    else draw(place);
  }
  for (const place of places)
    place.on("plotly_click", ({ points: [point] }) => typeof point.customdata === "number" && show(point.customdata));
  const redraw = () => places.forEach(draw);
  let width = innerWidth;
  addEventListener("resize", () => width !== innerWidth && ((width = innerWidth), redraw()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  const print = (on) => {
    document.documentElement.classList.toggle("printing", on);
    redraw();
  };
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  document.documentElement.dataset.ready = "yes";
})();
