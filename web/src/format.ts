// Figures as people read them: a blank between number and unit, never more digits than help.

/** What stands where nothing was measured. */
export const NOTHING = "–";

type Maybe = number | null | undefined;

const missing = (value: Maybe): value is null | undefined => value == null || !Number.isFinite(value);

/** Three significant digits, grouped by thousands, never in exponents. */
export function plain(value: Maybe): string {
  if (missing(value)) return NOTHING;
  const size = Math.abs(value);
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function count(value: Maybe): string {
  return missing(value) ? NOTHING : Math.round(value).toLocaleString("en-US");
}

/** A duration given in milliseconds, from nanoseconds to hours. */
export function millis(value: Maybe): string {
  if (missing(value)) return NOTHING;
  const size = Math.abs(value);
  if (size === 0) return "0 ms";
  if (size < 0.001) return `${plain(value * 1e6)} ns`;
  if (size < 1) return `${plain(value * 1e3)} µs`;
  if (size < 1000) return `${plain(value)} ms`;
  if (size < 60_000) return `${plain(value / 1000)} s`;
  return clock(value);
}

/** A moment or a length in milliseconds as 1:02:03 or 2:03; parts of a second only where asked for. */
export function clock(value: Maybe, parts = false): string {
  if (missing(value)) return NOTHING;
  const rounded = parts ? Math.round(value / 10) * 10 : Math.round(value / 1000) * 1000;
  const seconds = Math.floor(rounded / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const rest = parts && rounded % 1000 > 0 ? `.${String(rounded % 1000).padStart(3, "0").slice(0, 2)}` : "";
  return h > 0 ? `${h}:${two(m)}:${two(s)}${rest}` : `${m}:${two(s)}${rest}`;
}

export function bytes(value: Maybe): string {
  if (missing(value)) return NOTHING;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${plain(size)} ${units[unit]}`;
}

/** A share of 1 in percent. Rounding never makes a part the whole, nor something nothing. */
export function percent(value: Maybe): string {
  if (missing(value)) return NOTHING;
  const hundredths = value * 100;
  const short = Number(hundredths.toFixed(9));
  if (Number.isInteger(short) && (short > 0 || value === 0) && (short < 100 || value === 1)) return `${short} %`;
  for (let digits = hundredths < 10 || hundredths > 99 ? 2 : 1; digits <= 6; digits += 1) {
    const text = hundredths.toFixed(digits);
    const flatters = (Number(text) === 100 && value < 1) || (Number(text) === 0 && value > 0);
    if (!flatters) return `${text} %`;
  }
  return value > 0.5 ? "> 99.999999 %" : "< 0.000001 %";
}

/** A figure of a report with the unit that the report names. */
export function withUnit(value: Maybe, unit: string, per = 1): string {
  const suffix = per > 1 ? ` per ${count(per)} requests` : "";
  switch (unit) {
    case "milliseconds":
      return millis(value) + suffix;
    case "bytes":
      return bytes(value) + suffix;
    case "share":
      return percent(value) + suffix;
    case "per_second":
      return missing(value) ? NOTHING : `${plain(value)} /s${suffix}`;
    default:
      return plain(value) + suffix;
  }
}

/** Samples that a percentile needs so that ten lie above it. */
export function samplesNeeded(quantile: number): number {
  return Math.ceil(10 / (1 - quantile) - 1e-9);
}

/** Words of an identifier: `no_data` → `no data`. */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}

/** One thing, several things. */
export function some(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
