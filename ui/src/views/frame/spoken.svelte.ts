// What a screen reader hears of running work: each change of phase, and else now and then.

const EVERY_MS = 8000;

export class Spoken {
  text = $state("");
  #saidAt = 0;
  #phase = "";

  constructor(now: () => { text: string; phase: string }) {
    $effect(() => {
      const { text, phase } = now();
      const isDue = performance.now() - this.#saidAt > EVERY_MS;
      // With nothing running the text follows the selection, which is spoken already.
      if (phase === this.#phase && (!isDue || phase === "idle")) return;
      this.#phase = phase;
      this.#saidAt = performance.now();
      this.text = text;
    });
  }
}
