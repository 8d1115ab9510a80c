// How response times are spread: the percentile spectrum and the histogram, of all requests or of an endpoint.

import { useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { axis, color, useWidth } from "./chart";
import { logRange } from "./decimation";
import { bars, spectrum, type Bucket, type SpectrumPoint } from "./distribution";
import { millis, percent, plain, some } from "./format";
import type { Distribution, Page } from "./model";

const HEIGHT = 240;
/** Bars between a value and its double. */
const BARS = 4;

interface Props {
  page: Page;
  selected: string | null;
  theme: number;
}

export function Spread({ page, selected, theme }: Props) {
  const find = (endpoint: string | null, metric: string) =>
    page.distributions.find((one) => one.endpoint === endpoint && one.metric === metric);
  const all = find(null, "response_time");
  const service = find(null, "service_time");
  const chosen = selected === null ? undefined : find(selected, "response_time");
  if (!all) return null;
  const shown = chosen ?? all;
  const lines: SpectrumLine[] = [{ label: "response time", color: "blue", points: spectrum(all), count: all.count }];
  if (chosen) lines.push({ label: selected ?? "", color: "violet", points: spectrum(chosen), count: chosen.count });
  else if (service) lines.push({ label: "service time", color: "orange", points: spectrum(service), count: service.count });
  return (
    <section aria-labelledby="spread">
      <h2 id="spread">Distribution{selected !== null && <small> {selected}</small>}</h2>
      {selected !== null && !chosen && <p class="note">The distribution of this endpoint was not kept; this is that of all requests.</p>}
      <div class="charts">
        <Spectrum lines={lines} theme={theme} />
        <Bars distribution={shown} theme={theme} />
      </div>
    </section>
  );
}

export interface SpectrumLine {
  label: string;
  color: string;
  dash?: number[];
  points: SpectrumPoint[];
  count: number;
}

/** 100 is written 99 %, 1000 is 99.9 %. */
const quantileName = (x: number) => `${String(Number((100 - 100 / x).toFixed(6)))} %`;

export function Spectrum({ lines, theme }: { lines: SpectrumLine[]; theme: number }) {
  const data = uPlot.join(lines.map((line) => [line.points.map((point) => point.x), line.points.map((point) => point.value)] as uPlot.AlignedData));
  const most = Math.max(...lines.map((line) => line.count));
  const main = lines.at(-1) ?? lines[0];
  const last = main?.points.at(-1);
  const options = (): Partial<uPlot.Options> => ({
    scales: {
      x: { time: false, distr: 3, range: () => [1, Math.max(10, most * 2)] },
      y: { distr: 3, range: (_, low, high) => logRange(low || 1, high || 10) },
    },
    axes: [
      axis({ values: (_, ticks) => ticks.map((x) => (Number.isInteger(Math.log10(x)) ? quantileName(x) : "")), size: 28 }),
      axis({ values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : millis(tick))), size: 78 }),
    ],
    series: [{}, ...lines.map((line) => ({ stroke: color(line.color), width: 1.6, ...(line.dash ? { dash: line.dash } : {}), spanGaps: true, points: { show: false } }))],
    hooks: { drawAxes: [(plot) => shadeUnsupported(plot, Math.min(...lines.map((line) => line.count)))] },
  });
  const read = (x: number) => {
    if (x < 1) return "";
    const values = lines.map((line) => {
      const point = line.points.find((one) => one.x >= x) ?? line.points.at(-1);
      return `${line.label} ${millis(point?.value)}`;
    });
    return `${quantileName(x)}: ${values.join(", ")}`;
  };
  return (
    <Plot
      title="Percentiles"
      shape={lines.map((line) => line.label).join("\n")}
      data={data}
      options={options}
      theme={theme}
      legend={lines}
      read={read}
      words={last ? `the largest of ${some(main?.count ?? 0, "value")} is ${millis(last.value)}` : "nothing was measured"}
      note="In the shaded part fewer than ten values lie above a percentile: another run may well give another one."
    />
  );
}

/** Shades where fewer than ten values lie above: x = 1 / (1 − q) beyond a tenth of the count. */
function shadeUnsupported(plot: uPlot, count: number) {
  const { ctx, bbox } = plot;
  const x = Math.max(bbox.left, plot.valToPos(Math.max(1, count / 10), "x", true));
  ctx.save();
  ctx.fillStyle = color("shade");
  ctx.fillRect(x, bbox.top, Math.max(0, bbox.left + bbox.width - x), bbox.height);
  ctx.restore();
}

function Bars({ distribution, theme }: { distribution: Distribution; theme: number }) {
  const all = bars(distribution, BARS);
  const low = all[0]?.low ?? 1;
  const high = all.at(-1)?.high ?? 10;
  const tallest = all.reduce<Bucket | null>((best, bar) => (best === null || bar.count > best.count ? bar : best), null);
  const data: uPlot.AlignedData = [all.map((bar) => bar.high), all.map((bar) => bar.count)];
  const latest = useRef(all);
  latest.current = all;
  const options = (): Partial<uPlot.Options> => ({
    scales: { x: { time: false, distr: 3, range: () => logRange(low > 0 ? low : high / 10, high) }, y: { range: (_, __, most) => [0, (most || 1) * 1.08] } },
    axes: [
      axis({ values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : millis(tick))), size: 28 }),
      axis({ values: (_, ticks) => ticks.map((tick) => plain(tick)), size: 78 }),
    ],
    series: [{}, { stroke: "transparent", points: { show: false } }],
    hooks: { drawAxes: [(plot) => drawBars(plot, latest.current)] },
  });
  const read = (x: number) => {
    const bar = all.find((one) => one.low < x && x <= one.high);
    return bar ? `${millis(bar.low)} to ${millis(bar.high)}: ${some(bar.count, "request")}, ${percent(bar.count / distribution.count)}` : "";
  };
  return (
    <Plot
      title="Histogram"
      shape={`${low} ${high}`}
      data={data}
      options={options}
      theme={theme}
      legend={[]}
      read={read}
      words={tallest ? `most requests took ${millis(tallest.low)} to ${millis(tallest.high)}` : "nothing was measured"}
      note="Bars are as wide as a fourth of a doubling; their axis is logarithmic."
    />
  );
}

function drawBars(plot: uPlot, all: Bucket[]) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = color("blue");
  const bottom = bbox.top + bbox.height;
  for (const bar of all) {
    const left = plot.valToPos(bar.low, "x", true);
    const right = plot.valToPos(bar.high, "x", true);
    const top = plot.valToPos(bar.count, "y", true);
    // A single request is something to see, however many there were.
    const height = bar.count > 0 ? Math.max(devicePixelRatio, bottom - top) : 0;
    ctx.fillRect(left + 0.5, bottom - height, Math.max(1, right - left - 1), height);
  }
  ctx.restore();
}

interface PlotProps {
  title: string;
  /** What, when it changes, needs a new plot rather than new data. */
  shape: string;
  data: uPlot.AlignedData;
  options: () => Partial<uPlot.Options>;
  theme: number;
  legend: { label: string; color: string; dash?: number[] }[];
  read: (x: number) => string;
  words: string;
  note: string;
}

function Plot({ title, shape, data, options, theme, legend, read, words, note }: PlotProps) {
  const plot = useRef<uPlot | null>(null);
  const readout = useRef<HTMLSpanElement>(null);
  const latest = useRef(read);
  latest.current = read;
  const host = useWidth((width) => plot.current?.setSize({ width, height: HEIGHT }));
  useLayoutEffect(() => {
    const element = host.current;
    if (!element) return;
    const more = options();
    const created = new uPlot(
      {
        width: element.clientWidth || 600,
        height: HEIGHT,
        padding: [10, 16, 0, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { show: false } },
        series: [],
        ...more,
        hooks: {
          ...more.hooks,
          setCursor: [
            (p) => {
              const left = p.cursor.left ?? -1;
              if (readout.current) readout.current.textContent = left < 0 ? "" : latest.current(p.posToVal(left, "x"));
            },
          ],
        },
      },
      data,
      element,
    );
    plot.current = created;
    return () => {
      created.destroy();
      plot.current = null;
    };
  }, [shape, theme]);
  useLayoutEffect(() => plot.current?.setData(data));
  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <ul class="legend">
          {legend.map((line) => (
            <li key={line.label}>
              <i style={{ background: `var(--${line.color})` }} class={line.dash ? "dash" : ""} />
              {line.label}
            </li>
          ))}
        </ul>
        <span class="readout" ref={readout} />
      </figcaption>
      <div ref={host} role="img" aria-label={`${title}: ${words}`} class="plot" />
      <p class="note">{note}</p>
    </figure>
  );
}
