// A figure in a list of figures.

export interface Fact {
  term: string;
  value: string;
  title?: string;
  testid?: string;
  /** The figure itself, for tests of the whole window. */
  data?: number | null;
}
