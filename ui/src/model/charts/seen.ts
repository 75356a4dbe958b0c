// Where on the screen the part of a photo is that the tower sees.
import type { Size } from "./heatMap";

export interface Box extends Size {
  x: number;
  y: number;
}

/** A picture as large as fits, in the middle (CSS `object-fit: contain`). */
export function containedIn(stage: Size, picture: Size): Box {
  if (picture.width <= 0 || picture.height <= 0) return { x: 0, y: 0, ...stage };
  const scale = Math.min(stage.width / picture.width, stage.height / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  return { x: (stage.width - width) / 2, y: (stage.height - height) / 2, width, height };
}

/** `seen` is left, top, right and bottom as shares of the picture; where the tower pads it, they are beyond its edges. */
export function seenOf(box: Box, [left, top, right, bottom]: readonly [number, number, number, number]): Box {
  return { x: box.x + left * box.width, y: box.y + top * box.height, width: (right - left) * box.width, height: (bottom - top) * box.height };
}

/** The place an arrow key leads to; null for other keys. */
export function steppedPlace(place: number, key: string, rows: number, columns: number): number | null {
  const [row, column] = [Math.floor(place / columns), place % columns];
  switch (key) {
    case "ArrowLeft":
      return row * columns + Math.max(0, column - 1);
    case "ArrowRight":
      return row * columns + Math.min(columns - 1, column + 1);
    case "ArrowUp":
      return Math.max(0, row - 1) * columns + column;
    case "ArrowDown":
      return Math.min(rows - 1, row + 1) * columns + column;
    case "Home":
      return row * columns;
    case "End":
      return row * columns + columns - 1;
    default:
      return null;
  }
}
