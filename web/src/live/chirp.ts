// A short sound when the link to the server is gone: a wall that nobody looks
// at must not go blind in silence. Browsers allow sound only after a touch or
// a key, so a screen has to be asked once.

export class Chirp {
  private ctx: AudioContext | undefined;

  /** Must be called from a click or a key; plays the sound once, so that it was heard. */
  async arm(): Promise<boolean> {
    this.ctx ??= new AudioContext();
    await this.ctx.resume();
    if (this.armed()) this.play();
    return this.armed();
  }

  armed(): boolean {
    return this.ctx?.state === 'running';
  }

  /** Two falling tones of a tenth of a second. */
  play(): void {
    const ctx = this.ctx;
    if (!ctx || !this.armed()) return;
    for (const [i, hz] of [880, 660].entries()) {
      const at = ctx.currentTime + i * 0.18;
      const tone = ctx.createOscillator();
      const level = ctx.createGain();
      tone.frequency.value = hz;
      level.gain.setValueAtTime(0, at);
      level.gain.linearRampToValueAtTime(0.25, at + 0.01);
      level.gain.linearRampToValueAtTime(0, at + 0.12);
      tone.connect(level).connect(ctx.destination);
      tone.start(at);
      tone.stop(at + 0.13);
    }
  }
}
