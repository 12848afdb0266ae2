// The server's clock, as seen from here. A browser's clock may be minutes off;
// ages are reckoned by the server's.

const memory = 60;

export class ServerClock {
  private readonly samples: number[] = [];
  private readonly local: () => number;
  private offset = 0;

  constructor(local: () => number = Date.now) {
    this.local = local;
  }

  /**
   * Learns from a message that carried the server's time. The message took a
   * while to come, so the largest difference seen lately is the nearest to the truth.
   */
  learn(serverTime: string): void {
    const t = Date.parse(serverTime);
    if (Number.isNaN(t)) return;
    const difference = t - this.local();
    const last = this.samples.at(-1);
    // Somebody set one of the two clocks: what was learnt before is void.
    if (last !== undefined && Math.abs(difference - last) > 2000) this.samples.length = 0;
    this.samples.push(difference);
    if (this.samples.length > memory) this.samples.shift();
    this.offset = Math.max(...this.samples);
  }

  /** Milliseconds since 1970 by the server's clock. */
  now(): number {
    return this.local() + this.offset;
  }
}
