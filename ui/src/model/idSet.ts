// Sets of photos by number. One bit each, in pieces that copies share, so that all of a million photos can be selected in an instant.

/** Numbers that one piece holds. */
const PIECE_BITS = 15;
const WORDS = 1 << (PIECE_BITS - 5);

export class IdSet implements Iterable<number> {
  static readonly EMPTY = new IdSet(new Map(), 0);

  private constructor(
    private readonly pieces: ReadonlyMap<number, Uint32Array>,
    readonly size: number,
  ) {}

  static of(ids: Iterable<number>): IdSet {
    return IdSet.EMPTY.with(ids);
  }

  has(id: number): boolean {
    const word = this.pieces.get(id >>> PIECE_BITS)?.[(id >>> 5) & (WORDS - 1)] ?? 0;
    return (word & (1 << (id & 31))) !== 0;
  }

  with(ids: Iterable<number>): IdSet {
    return this.#changed(ids, true);
  }

  without(ids: Iterable<number>): IdSet {
    return this.#changed(ids, false);
  }

  /** Those of `ids` that are in the set, as a set; the same set where nothing is left out. */
  within(ids: ArrayLike<number>): IdSet {
    if (this.size === 0) return this;
    const kept: number[] = [];
    for (let index = 0; index < ids.length && kept.length < this.size; index++) {
      const id = ids[index] ?? 0;
      if (this.has(id)) kept.push(id);
    }
    return kept.length === this.size ? this : IdSet.of(kept);
  }

  /** In the order of the numbers. */
  *[Symbol.iterator](): Iterator<number> {
    for (const piece of [...this.pieces.keys()].sort((a, b) => a - b)) {
      const words = this.pieces.get(piece) ?? [];
      for (let index = 0; index < words.length; index++) {
        let word = words[index] ?? 0;
        while (word !== 0) {
          const bit = 31 - Math.clz32(word & -word);
          yield piece * 2 ** PIECE_BITS + index * 32 + bit;
          word &= word - 1;
        }
      }
    }
  }

  #changed(ids: Iterable<number>, isIn: boolean): IdSet {
    const pieces = new Map(this.pieces);
    const own = new Set<number>();
    let size = this.size;
    for (const id of ids) {
      const at = id >>> PIECE_BITS;
      const before = pieces.get(at);
      const [index, bit] = [(id >>> 5) & (WORDS - 1), 1 << (id & 31)];
      if ((((before?.[index] ?? 0) & bit) !== 0) === isIn) continue;
      const piece = before && own.has(at) ? before : (before?.slice() ?? new Uint32Array(WORDS));
      own.add(at);
      pieces.set(at, piece);
      piece[index] = (piece[index] ?? 0) ^ bit;
      size += isIn ? 1 : -1;
    }
    return own.size === 0 ? this : new IdSet(pieces, size);
  }
}
