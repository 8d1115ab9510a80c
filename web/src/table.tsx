// A table that can be sorted by any column; figures are aligned, and can be copied as they are.

import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { count } from "./format";

export interface Column<T> {
  name: string;
  show: (row: T) => ComponentChildren;
  /** What to sort by; a column without it cannot be sorted. */
  sort?: (row: T) => string | number | null | undefined;
  /** Words rather than figures: aligned to the left. */
  text?: boolean;
  title?: string;
}

interface Props<T> {
  label: string;
  rows: T[];
  columns: Column<T>[];
  /** Rows that are shown before somebody asks for more. */
  most?: number;
  /** How rows are sorted before somebody chooses; as they come without it. */
  first?: Order;
  isSelected?: (row: T) => boolean;
}

export interface Order {
  column: number;
  down: boolean;
}

/** One for all: making it takes longer than a comparison. */
const collator = new Intl.Collator("en", { numeric: true });

/** Rows that are added when somebody asks for more: a browser stays quick with so many. */
const MORE = 1000;

export function sorted<T>(rows: T[], by: (row: T) => string | number | null | undefined, down: boolean): T[] {
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [by(a), by(b)];
    // What was not measured comes last, whichever way the rest goes.
    if (x == null || y == null) return x == null ? (y == null ? 0 : 1) : -1;
    if (typeof x === "string" || typeof y === "string") return sign * collator.compare(String(x), String(y));
    return sign * (x - y);
  });
}

export function Table<T>({ label, rows, columns, most = Infinity, first, isSelected }: Props<T>) {
  const [order, setOrder] = useState<Order | null>(first ?? null);
  const [more, setMore] = useState(0);
  const by = order === null ? undefined : columns[order.column]?.sort;
  const ordered = useMemo(() => (order !== null && by ? sorted(rows, by, order.down) : rows), [rows, order]);
  const shown = ordered.slice(0, most + more);
  const turn = (column: number) =>
    setOrder(order?.column === column ? { column, down: !order.down } : { column, down: !columns[column]?.text });
  return (
    <>
      <div class="scroll" role="group" aria-label={`Table: ${label}`} tabIndex={0}>
        <table>
          <thead>
            <tr>
              {columns.map((column, i) => (
                <th
                  key={column.name}
                  scope="col"
                  class={column.text ? "text" : ""}
                  title={column.title}
                  aria-sort={order?.column === i ? (order.down ? "descending" : "ascending") : undefined}
                >
                  {column.sort ? (
                    <button type="button" onClick={() => turn(i)}>
                      {column.name}
                      <span aria-hidden="true">{order?.column === i ? (order.down ? " ↓" : " ↑") : ""}</span>
                    </button>
                  ) : (
                    column.name
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, n) => (
              <tr key={n} class={isSelected?.(row) ? "selected" : ""}>
                {columns.map((column) => (
                  <td key={column.name} class={column.text ? "text" : ""}>
                    {column.show(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {ordered.length > shown.length && (
        <p class="note">
          The first {count(shown.length)} of {count(ordered.length)}.{" "}
          <button type="button" onClick={() => setMore(more + MORE)}>
            Show {ordered.length - shown.length > MORE ? `${count(MORE)} more` : "all"}
          </button>
        </p>
      )}
    </>
  );
}
