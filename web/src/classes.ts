// Failures over time, class by class.

export interface ClassOverTime {
  label: string;
  values: number[];
}

const sum = (values: number[]) => values.reduce((all, value) => all + value, 0);

/** The classes with the most failures first, at most so many; the others together, last. */
export function classesOf(failures: Record<string, number[]>, most: number): ClassOverTime[] {
  const all = Object.entries(failures).map(([label, values]) => ({ label, values }));
  all.sort((a, b) => sum(b.values) - sum(a.values) || a.label.localeCompare(b.label));
  const rest = all.slice(most);
  const [first] = rest;
  if (!first) return all;
  const together = first.values.map((_, i) => sum(rest.map(({ values }) => values[i] ?? 0)));
  return [...all.slice(0, most), { label: rest.length === 1 ? first.label : `${rest.length} other classes`, values: together }];
}
