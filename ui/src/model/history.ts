// Undo for values that are replaced whole.

const DEPTH = 100;

export class History<T> {
  #past: T[] = [];

  /** Call with the value that is about to be replaced. */
  remember(value: T): void {
    this.#past.push(value);
    if (this.#past.length > DEPTH) this.#past.shift();
  }

  back(): T | undefined {
    return this.#past.pop();
  }
}
