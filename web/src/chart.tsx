// A chart over time: uPlot in a figure with a heading, figures under the cursor, and words for who cannot see it.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { decimated, logRange, type Columns } from "./decimation";
import { clock } from "./format";
import type { Moment } from "./model";

/** Rows that are drawn at most: about two for every pixel there may be. */
const MOST_ROWS = 2400;
const HEIGHT = 190;
/** All charts over time share their cursor. */
const SYNC = uPlot.sync("time");

export interface Line {
  label: string;
  /** Name of a colour of the style sheet. */
  color: string;
  dash?: number[];
  fill?: boolean;
  values: (number | null)[];
}

/** A part of the time, in milliseconds since the start; null is all of it. */
export type Span = [number, number] | null;

export interface Time {
  span: Span;
  zoom: (span: Span) => void;
  /** From the first to the last moment there is. */
  all: [number, number];
  moments: Moment[];
  /** Grows when colours change. */
  theme: number;
}

export interface Drawing {
  /** Draws behind the lines. */
  draw: (plot: uPlot) => void;
  /** What lies under the cursor, in words. */
  read: (at: number, value: number) => string;
  range: [number, number];
}

interface Props {
  title: string;
  note?: string;
  xs: number[];
  lines: Line[];
  time: Time;
  format: (value: number | null | undefined) => string;
  /** Logarithmic height; needs values above zero. */
  log?: boolean;
  drawing?: Drawing;
  /** The chart in a sentence. */
  words: string;
}

export function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Follows the width of an element. */
export function useWidth(onWidth: (width: number) => void) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(() => onWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return ref;
}

export const axisFont = "12px system-ui, sans-serif";

/** An axis in the page's colours. */
export function axis(more: uPlot.Axis): uPlot.Axis {
  const line = color("line");
  return {
    stroke: color("muted"),
    font: axisFont,
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
    ...more,
  };
}

/** Moments as vertical lines, with a sign at the top that says which sort. */
function drawMoments(plot: uPlot, moments: Moment[]) {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const moment of moments) {
    const x = plot.valToPos(moment.at_ms, "x", true);
    if (!(x >= bbox.left && x <= bbox.left + bbox.width)) continue;
    const bad = moment.kind === "breach" || moment.kind === "error";
    ctx.strokeStyle = ctx.fillStyle = color(bad ? "fail" : "muted");
    ctx.setLineDash([4, 4]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.beginPath();
    const size = 5 * devicePixelRatio;
    ctx.moveTo(x - size, bbox.top);
    ctx.lineTo(x + size, bbox.top);
    ctx.lineTo(x, bbox.top + size);
    ctx.fill();
  }
  ctx.restore();
}

export function Chart(props: Props) {
  const { title, note, lines, time, format, drawing, words } = props;
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const readout = useRef<HTMLSpanElement>(null);
  const values = useRef<(HTMLElement | null)[]>([]);
  const host = useWidth((width) => plot.current?.setSize({ width, height: HEIGHT }));
  const shape = lines.map((line) => line.label + line.color).join() + String(props.log) + String(drawing !== undefined);

  const show = (p: uPlot) => {
    const { xs, lines, format, drawing } = latest.current;
    const left = p.cursor.left ?? -1;
    const at = left < 0 ? null : p.posToVal(left, "x");
    const row = at === null ? xs.length - 1 : nearest(xs, at);
    lines.forEach((line, i) => {
      const target = values.current[i];
      if (target) target.textContent = format(line.values[row]);
    });
    if (!readout.current) return;
    const top = p.cursor.top ?? -1;
    const under = drawing && at !== null && top >= 0 ? drawing.read(at, p.posToVal(top, "y")) : "";
    readout.current.textContent = at === null ? "" : under || `at ${clock(xs[row] ?? at, true)}`;
  };

  useLayoutEffect(() => {
    const element = host.current;
    if (!element) return;
    const options: uPlot.Options = {
      width: element.clientWidth || 600,
      height: HEIGHT,
      padding: [10, 12, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: SYNC.key, scales: ["x", null] }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      scales: {
        x: { time: false, range: () => latest.current.time.span ?? latest.current.time.all },
        y: {
          distr: props.log ? 3 : 1,
          range: (_, low, high) => yRange(latest.current, low, high),
        },
      },
      axes: [
        axis({ values: (_, ticks) => ticks.map((tick) => clock(tick, true)), incrs: STEPS, space: 70, size: 28 }),
        axis({ values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : latest.current.format(tick))), size: 78 }),
      ],
      series: [{}, ...lines.map((line) => seriesOf(line))],
      hooks: {
        drawAxes: [(p) => latest.current.drawing?.draw(p)],
        draw: [(p) => drawMoments(p, latest.current.time.moments)],
        setCursor: [show],
        setSelect: [
          (p) => {
            if (p.select.width > 3) {
              const [from, to] = [p.select.left, p.select.left + p.select.width].map((at) => p.posToVal(at, "x"));
              latest.current.time.zoom([from ?? 0, to ?? 0]);
            }
            p.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    };
    const created = new uPlot(options, dataOf(props), element);
    created.over.addEventListener("dblclick", () => latest.current.time.zoom(null));
    plot.current = created;
    show(created);
    return () => {
      created.destroy();
      plot.current = null;
    };
  }, [shape, time.theme]);

  useLayoutEffect(() => {
    const p = plot.current;
    if (!p) return;
    p.setData(dataOf(props), true);
    show(p);
  });

  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <ul class="legend">
          {lines
            .filter((line) => line.label !== "")
            .map((line, i) => (
              <li key={line.label}>
                <i style={{ background: `var(--${line.color})` }} class={line.dash ? "dash" : ""} />
                {line.label} <b ref={(element) => void (values.current[i] = element)}>{format(line.values.at(-1))}</b>
              </li>
            ))}
        </ul>
        <span class="readout" ref={readout} />
      </figcaption>
      <div ref={host} role="img" aria-label={`${title}: ${words}`} class="plot" />
      {note && <p class="note">{note}</p>}
    </figure>
  );
}

/** Steps of the time axis in milliseconds: those of a clock. */
const STEPS = [
  10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 144e5, 216e5, 432e5, 864e5,
];

function yRange(props: Props, low: number | null, high: number | null): [number, number] {
  if (props.drawing) return props.drawing.range;
  if (low == null || high == null) return props.log ? [1, 10] : [0, 1];
  if (!props.log) return [0, high > 0 ? high * 1.08 : 1];
  return logRange(low > 0 ? low : high / 10, high);
}

function seriesOf(line: Line): uPlot.Series {
  const stroke = color(line.color);
  return {
    stroke,
    width: 1.6,
    ...(line.dash ? { dash: line.dash } : {}),
    ...(line.fill ? { fill: `${stroke}22` } : {}),
    points: { show: (p: uPlot) => (p.data[0]?.length ?? 0) <= 2 },
  };
}

function dataOf(props: Props): uPlot.AlignedData {
  const [from, to] = props.time.span ?? props.time.all;
  // A logarithm has no place for nothing.
  const columns: Columns = props.lines.map((line) =>
    props.log ? line.values.map((value) => (value != null && value > 0 ? value : null)) : line.values,
  );
  const [xs, thin] = decimated(props.xs, columns, from, to, MOST_ROWS);
  return [xs, ...thin];
}

export function nearest(xs: number[], at: number): number {
  let low = 0;
  let high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((xs[middle] ?? 0) <= at) low = middle;
    else high = middle;
  }
  return Math.abs((xs[low] ?? 0) - at) <= Math.abs((xs[high] ?? 0) - at) ? low : Math.max(high, 0);
}
