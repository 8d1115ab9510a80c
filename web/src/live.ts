// Follows a running job: events from its server, shared by all tabs of a browser, or asking again where there are none.

import { continues, merged, problemOf, until, type Page } from "./model";

export type State = "connecting" | "connected" | "reconnecting" | "over" | "lost";

/** Time between two questions where events do not come through. */
const POLL_MS = 1000;
/** Failures in a row after which a connection counts as lost. */
const PATIENCE = 5;

interface Told {
  page: (page: Page) => void;
  state: (state: State) => void;
  problem: (problem: string) => void;
}

/** An address of the server, with the token that this page was opened with. */
export function address(path: string, query: Record<string, string>, search: string): string {
  const token = new URLSearchParams(search).get("token");
  const all = new URLSearchParams({ ...query, ...(token === null ? {} : { token }) }).toString();
  return all === "" ? path : `${path}?${all}`;
}

export class Follower {
  private page: Page | null = null;
  private over = false;
  private failures = 0;
  private loading = false;
  private readonly channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("pulse-events");

  constructor(private readonly told: Told) {}

  /** Begins to follow, until the job is over. */
  async start(): Promise<void> {
    this.told.state("connecting");
    await this.load();
    if (this.over) return;
    this.channel?.addEventListener("message", (event: MessageEvent<string>) => this.take(event.data));
    // A browser opens six connections to a server; eight tabs with a stream each would stand still. One tab listens and
    // tells the others, and when it is closed the next one does. Where locks are not to be had, each listens.
    const locks = navigator.locks as LockManager | undefined;
    if (locks && this.channel) {
      void locks.request("pulse-events", () => this.listen());
      if (this.page) this.told.state("connected");
    } else {
      void this.listen();
    }
  }

  /** Asks for everything, or for what has come since. */
  private async load(): Promise<boolean> {
    if (this.loading) return true;
    this.loading = true;
    try {
      const query: Record<string, string> = this.page ? { since: String(until(this.page)) } : {};
      const answer = await fetch(address("/api/page", query, location.search));
      if (!answer.ok) throw new Error(await answer.text());
      this.loading = false;
      this.failures = 0;
      this.take(await answer.text());
      return true;
    } catch (error) {
      this.loading = false;
      this.failures += 1;
      if (this.page === null) this.told.problem(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  /** Listens until the job is over. */
  private listen(): Promise<void> {
    if (typeof EventSource === "undefined") return this.poll();
    return new Promise((resolve) => {
      const query: Record<string, string> = this.page ? { since: String(until(this.page)) } : {};
      const source = new EventSource(address("/events", query, location.search));
      let failures = 0;
      source.addEventListener("page", (event: MessageEvent<string>) => {
        failures = 0;
        this.channel?.postMessage(event.data);
        this.take(event.data);
        if (this.over) {
          source.close();
          resolve();
        }
      });
      source.addEventListener("error", () => {
        failures += 1;
        if (this.over) {
          source.close();
          return resolve();
        }
        this.told.state("reconnecting");
        if (source.readyState === EventSource.CLOSED || failures >= PATIENCE) {
          source.close();
          void this.poll().then(resolve);
        }
      });
    });
  }

  private async poll(): Promise<void> {
    while (!this.over) {
      const answered = await this.load();
      if (answered) this.told.state("connected");
      if (this.failures >= PATIENCE) {
        this.told.state("lost");
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  private take(text: string): void {
    let next: unknown;
    try {
      next = JSON.parse(text);
    } catch {
      return;
    }
    const problem = problemOf(next);
    if (problem !== null) return this.told.problem(problem);
    const page = next as Page;
    if (page.since_ms !== null && (this.page === null || !continues(this.page, page))) {
      // Something in between was missed.
      void this.load();
      return;
    }
    this.page = merged(this.page, page);
    this.over ||= !page.running;
    this.told.page(this.page);
    this.told.state(this.over ? "over" : "connected");
  }
}
