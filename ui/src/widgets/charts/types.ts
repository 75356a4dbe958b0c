// What charts are given.

export interface Series {
  name: string;
  /** A variable of the theme. */
  colour: `--${string}`;
  values: readonly number[];
  dashed?: boolean;
}

/** A stretch of the horizontal axis, by places in the row of values: first, and one past the last. */
export interface Band {
  from: number;
  to: number;
  label: string;
}

export interface Bar {
  key: string;
  label: string;
  value: number;
}
