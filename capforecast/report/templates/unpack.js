"use strict";
// The page reads without this as far as it is written out: here are all rows, finding, sorting and drawing.
const inflated = async (id) => {
  const packed = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(packed, (sign) => sign.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(plain).arrayBuffer();
};
const values = (column) =>
  Array.isArray(column) ? column : column.c.map((place) => (place === null ? null : column.w[place]));
const unpackedRows = async () => {
  const content = JSON.parse(new TextDecoder().decode(await inflated("packed-rows")));
  const { rows, items } = content;
  for (const table of [rows, items]) for (const name in table) table[name] = values(table[name]);
  return content;
};
// Lines of one series, and how many days a point stands for: of each line its points as [day, level or null], days counted from the day of the run.
const unpackedCurves = async () => {
  const content = await inflated("packed-curves");
  const length = new DataView(content).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(content, 4, length)));
  const codes = new Uint8Array(content, 4 + length);
  const points = (stride) => [about.past, about.ahead, about.ahead, about.ahead].map((span) => Math.ceil(span[1] / stride));
  const total = (counts) => counts.reduce((sum, count) => sum + count, 0);
  const fine = points(1);
  const coarse = points(about.stride);
  return (series) => {
    const isFine = series < about.fine;
    const stride = isFine ? 1 : about.stride;
    const steps = isFine ? about.steps : about.coarse_steps;
    const low = about.low[series];
    const step = (about.high[series] - low || 1) / steps;
    let at = isFine ? series * total(fine) : about.fine * total(fine) + (series - about.fine) * total(coarse);
    const lines = (isFine ? fine : coarse).map((count, line) => {
      // A point stands for so many days around it: of the forecast from its first day on, of the history up to its last.
      const half = (stride - 1) / 2;
      const first = line ? about.ahead[0] + half : about.past[0] + about.past[1] - 1 - half - (count - 1) * stride;
      let code = 0;
      return Array.from({ length: count }, (_, place) => {
        code = (code + codes[at++]) & 255;
        return [first + place * stride, code === 255 ? null : low + code * step];
      });
    });
    return { lines, stride };
  };
};
