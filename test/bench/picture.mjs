// The rows of the growth level as a picture: one small chart for each figure, side by side, each
// with a scale of its own from zero. Readable on light and on dark paper.

const charts = {
  "retrieve us": "retrieve, µs",
  "store us": "store, µs",
  "clean us": "clean, µs per session",
  "KiB each": "disk, KiB per session",
  "inodes each": "inodes per session",
};
const width = 172;
const plot = { left: 14, right: width - 14, top: 52, bottom: 150 };

/** The text of an SVG file. */
export function drawing(rows) {
  const drawn = Object.entries(charts).map(([key, name], n) => {
    const values = rows.map((row) => row[key]);
    return `<g transform="translate(${n * width} 0)">\n${chart(name, values, rows)}\n</g>`;
  });
  const total = drawn.length * width;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} 178" width="${total}" height="178" role="img">
<title>What one session of 300 B costs, from ${rows[0].sessions} to ${rows.at(-1).sessions} sessions</title>
<style>
text { font: 11px system-ui, sans-serif; fill: #57606a; text-anchor: middle }
.name { font-size: 12px; font-weight: 600; fill: #1f2328 }
.value { fill: #1f2328 }
path { fill: none; stroke: #0969da; stroke-width: 2 }
circle { fill: #0969da }
line { stroke: #8c959f; stroke-opacity: .5 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.name, .value { fill: #f0f6fc }
path { stroke: #4493f8 }
circle { fill: #4493f8 }
}
</style>
${drawn.join("\n")}
</svg>
`;
}

function chart(name, values, rows) {
  const highest = Math.max(...values);
  const step = rows.length > 1 ? (plot.right - plot.left - 24) / (rows.length - 1) : 0;
  const points = values.map((value, n) => ({
    x: Math.round(plot.left + 12 + n * step),
    y: Math.round(plot.bottom - (value / highest) * (plot.bottom - plot.top)),
    label: value < 100 ? value : Math.round(value),
  }));
  return [
    `<text class="name" x="${width / 2}" y="20">${name}</text>`,
    `<line x1="${plot.left}" y1="${plot.bottom}" x2="${plot.right}" y2="${plot.bottom}"/>`,
    `<path d="M${points.map(({ x, y }) => `${x} ${y}`).join("L")}"/>`,
    ...points.flatMap(({ x, y, label }, n) => [
      `<circle cx="${x}" cy="${y}" r="3"/>`,
      `<text class="value" x="${x - 5}" y="${y - 9}">${label}</text>`,
      `<text x="${x}" y="${plot.bottom + 17}">${rows[n].sessions}</text>`,
    ]),
  ].join("\n");
}
