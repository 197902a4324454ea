"use strict";
// Draws each specification into the figure of its name; a chart that fails leaves a sentence, the tables stay.
(async () => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const matches = (query) => window.matchMedia(query).matches;
  const options = {
    ast: true, // expressions are interpreted, so that the page needs no permission to evaluate code
    renderer: "svg",
    tooltip: { theme: matches("(prefers-color-scheme: dark)") ? "dark" : "light" },
    actions: { export: true, source: false, compiled: false, editor: false },
  };
  let drawn = 0;
  for (const [name, spec] of Object.entries(specs)) {
    const place = document.getElementById("chart-" + name);
    const axis = spec.encoding.y && spec.encoding.y.axis;
    if (axis && axis.labelLimit && matches("(max-width: 40rem)")) axis.labelLimit = 96;
    try {
      await vegaEmbed(place, spec, options);
      drawn += 1;
    } catch (error) {
      place.textContent = "This chart could not be drawn; the table holds the same numbers.";
      console.error(error);
    }
  }
  document.documentElement.dataset.charts = String(drawn);
})();
