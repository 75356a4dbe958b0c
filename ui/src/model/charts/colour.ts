// Colour maps: from stops that the theme names to a table that is fast to look up.

export type Rgb = readonly [number, number, number];

/** A CSS colour of the form `rgb(1, 2, 3)` or `#010203`, as browsers compute it. */
export function parsed(colour: string): Rgb {
  const hex = /^#([0-9a-f]{6})$/iu.exec(colour.trim())?.[1];
  if (hex) return [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;
  const numbers = colour.match(/[\d.]+/gu)?.map(Number) ?? [];
  return [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 0];
}

/** The colour at `share` (0…1) of evenly spaced stops. */
export function between(stops: readonly Rgb[], share: number): Rgb {
  const place = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(place));
  const [low, high] = [stops[index] ?? [0, 0, 0], stops[index + 1] ?? stops[index] ?? [0, 0, 0]];
  const part = place - index;
  return [0, 1, 2].map((channel) => Math.round((low[channel] ?? 0) * (1 - part) + (high[channel] ?? 0) * part)) as unknown as Rgb;
}

/** Opaque colours as one 32-bit word each, in the order that canvas pixels have on little-endian machines. */
export function lookUpTable(stops: readonly Rgb[], size = 1024): Uint32Array {
  return Uint32Array.from({ length: size }, (_, index) => word(between(stops, index / (size - 1))));
}

export function word([red, green, blue]: Rgb): number {
  return (255 * 2 ** 24 + (blue << 16) + (green << 8) + red) >>> 0;
}

/** Paints values between −range and range (or 0 and range) into pixels; what is no number gets its own colour. */
export function painted(values: Float32Array, low: number, high: number, table: Uint32Array, noNumber: number): Uint32Array<ArrayBuffer> {
  const pixels = new Uint32Array(values.length);
  const last = table.length - 1;
  const factor = high > low ? last / (high - low) : 0;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number;
    if (value !== value) {
      pixels[index] = noNumber;
      continue;
    }
    const place = (value - low) * factor;
    pixels[index] = table[place <= 0 ? 0 : place >= last ? last : (place + 0.5) | 0] as number;
  }
  return pixels;
}

/** How light a colour looks, 0…1 (relative luminance of sRGB). */
export function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
