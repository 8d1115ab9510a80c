// Where response times lay over time, drawn beneath the axes of a chart.

import type uPlot from "uplot";
import { color, type Drawing } from "./chart";
import type { Cell } from "./distribution";
import { logRange } from "./decimation";
import { clock, millis, some } from "./format";

/** How many steps of colour there are: more cannot be told apart. */
const STEPS = 12;

/** A drawing of cells; the darker (or, in the dark, the brighter), the more requests. */
export function heatmap(cells: Cell[]): Drawing {
  let most = 0;
  let [low, high] = [Infinity, 0];
  for (const cell of cells) {
    most = Math.max(most, cell.density);
    low = Math.min(low, cell.low);
    high = Math.max(high, cell.high);
  }
  // Columns of a long run share pixels: what is drawn last stays, and that is to be the hottest.
  const rising = [...cells].sort((a, b) => a.density - b.density);
  // Half of the picture goes to rare slow answers: they are what one looks for.
  const step = (density: number) => Math.ceil((Math.log1p(density) / Math.log1p(most || 1)) * STEPS);
  const draw = (plot: uPlot) => {
    const { ctx, bbox } = plot;
    const [from, to] = [color("heat-low"), color("heat-high")];
    const ramp = Array.from({ length: STEPS + 1 }, (_, i) => mixed(from, to, i / STEPS));
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const cell of rising) {
      const left = Math.floor(plot.valToPos(cell.from, "x", true));
      const right = Math.ceil(plot.valToPos(cell.to, "x", true));
      if (right < bbox.left || left > bbox.left + bbox.width) continue;
      const top = Math.floor(plot.valToPos(cell.high, "y", true));
      const bottom = Math.ceil(plot.valToPos(cell.low, "y", true));
      ctx.fillStyle = ramp[Math.max(1, step(cell.density))] ?? to;
      ctx.fillRect(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
    }
    ctx.restore();
  };
  const read = (at: number, value: number) => {
    const column = cells.filter((cell) => cell.from <= at && at < cell.to);
    const cell = column.find((one) => one.low < value && value <= one.high);
    const when = column[0] ? `${clock(column[0].from, true)} to ${clock(column[0].to, true)}` : "";
    return cell ? `${when}: ${some(cell.count, "request")} of ${millis(cell.low)} to ${millis(cell.high)}` : when && `${when}: none here`;
  };
  return { draw, read, range: cells.length > 0 ? logRange(low, high) : [1, 10] };
}

/** A colour between two that are written `#rrggbb`. */
export function mixed(from: string, to: string, share: number): string {
  const parts = (text: string) => [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16) || 0);
  const [a, b] = [parts(from), parts(to)];
  return `#${a.map((part, i) => Math.round(part + ((b[i] ?? 0) - part) * share).toString(16).padStart(2, "0")).join("")}`;
}
