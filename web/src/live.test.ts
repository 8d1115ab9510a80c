import { expect, test } from "vitest";
import { address } from "./live";

test("every address carries the token that the page was opened with", () => {
  expect(address("/events", {}, "")).toBe("/events");
  expect(address("/api/page", { since: "5" }, "?a=b")).toBe("/api/page?since=5");
  expect(address("/events", {}, "?token=a%26b")).toBe("/events?token=a%26b");
  expect(address("/api/page", { since: "5" }, "?token=abcdefgh")).toBe("/api/page?since=5&token=abcdefgh");
});
