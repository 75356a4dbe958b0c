// Two pictures under one magnifier: what is seen of the one is seen of the other.

/** `scale` 1 shows the whole picture; the middle of the picture is off the middle of the frame by `x`, `y`, in frames. */
export interface Glass {
  scale: number;
  x: number;
  y: number;
}

export const WHOLE: Glass = { scale: 1, x: 0, y: 0 };
const MOST = 16;

/** Magnified by a factor, with what is at `at` (frames from the middle) staying there. */
export function magnified(glass: Glass, factor: number, at = { x: 0, y: 0 }): Glass {
  const scale = Math.min(MOST, Math.max(1, glass.scale * factor));
  const grown = scale / glass.scale;
  return inFrame({ scale, x: at.x - (at.x - glass.x) * grown, y: at.y - (at.y - glass.y) * grown });
}

export function moved(glass: Glass, x: number, y: number): Glass {
  return inFrame({ ...glass, x: glass.x + x, y: glass.y + y });
}

/** The picture covers the frame: no edge is drawn into it. */
function inFrame({ scale, x, y }: Glass): Glass {
  const most = (scale - 1) / 2;
  const within = (offset: number) => Math.min(most, Math.max(-most, offset));
  return { scale, x: within(x), y: within(y) };
}
