// Two runs over each other: rows of one time axis from lines that have each their own.

/** A line over time; `null` is a gap. */
export interface Trace {
  xs: number[];
  values: (number | null)[];
}

/**
 * The moments of all traces in order, and the values of each at all of them. Between two moments of its own a trace is a
 * straight line, as it would be drawn alone; before its first, after its last and beside a gap it is nothing.
 */
export function overlaid(traces: Trace[]): { xs: number[]; lines: (number | null)[][] } {
  const xs = [...new Set(traces.flatMap((trace) => trace.xs))].sort((a, b) => a - b);
  return { xs, lines: traces.map((trace) => along(trace, xs)) };
}

function along({ xs, values }: Trace, at: number[]): (number | null)[] {
  let next = 0;
  return at.map((x) => {
    while (next < xs.length && (xs[next] ?? 0) < x) next += 1;
    if (xs[next] === x) return values[next] ?? null;
    const [from, to] = [values[next - 1], values[next]];
    if (from == null || to == null) return null;
    const [begin = 0, end = 0] = [xs[next - 1], xs[next]];
    return from + ((to - from) * (x - begin)) / (end - begin);
  });
}
