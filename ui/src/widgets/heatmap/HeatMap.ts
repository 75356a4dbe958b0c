// A matrix as a picture on a canvas. Knows no framework: give it an element and props, then `update` and `destroy`.
// It draws from tiles that are here, so moving it never waits for one.
import { lookUpTable, luminance, parsed, word, between, type Rgb } from "../../model/charts/colour";
import { figure } from "../../model/charts/figures";
import {
  clamped, entryAt, fitted, levelFor, revealed, rulerStep, TILE, tilesInSight, topLevel, zoomed, type Matrix, type Size, type View,
} from "../../model/charts/heatMap";
import { Tiles, type Fetch, type Palette } from "./tiles";

/** What the cursor is on: one entry, or a block of them where the map is zoomed out. */
export interface Cursor {
  row: number;
  column: number;
  /** Rows and columns that the value stands for: the one of the largest magnitude among them. */
  block: number;
  /** None while it is not here. */
  value: number | undefined;
}

export interface HeatMapProps extends Matrix {
  /** Another one empties the map and shows all of it. */
  id: string;
  /** Another one of the same matrix: it is looked at where it was before. */
  version: number;
  /** Values at the ends of the colours. */
  low: number;
  high: number;
  /** CSS variables of evenly spaced colours, from low to high. */
  stops: readonly string[];
  fetch: Fetch;
  onCursor: (cursor: Cursor | null) => void;
  /** A part could not be fetched. */
  onProblem: (reason: unknown) => void;
}

const RULER = { left: 46, top: 20 };
const TICKS_APART = 64;
const WHEEL_ZOOM = 0.0022;
const KEY_ZOOM = 1.5;
/** From this size of an entry on there are lines between entries, and from that one on there are values in them. */
const LINES_FROM = 14;
const VALUES_FROM = 52;

export class HeatMap {
  #canvas = document.createElement("canvas");
  #context = this.#canvas.getContext("2d") as CanvasRenderingContext2D;
  #props: HeatMapProps;
  #tiles: Tiles;
  #stops: Rgb[] = [];
  /** Words on a light and on a dark cell. */
  #inks: [string, string] = ["", ""];
  #view: View = { row: 0, column: 0, scale: 1 };
  #size: Size = { width: 1, height: 1 };
  #cursor: { row: number; column: number } | null = null;
  #frame = 0;
  #isFitted = true;
  #resized = new ResizeObserver(() => this.#resize());
  #themed = matchMedia("(prefers-color-scheme: dark)");
  #events = new AbortController();

  constructor(
    readonly element: HTMLElement,
    props: HeatMapProps,
  ) {
    this.#props = props;
    this.#canvas.style.cssText = "display:block;width:100%;height:100%;touch-action:none";
    element.append(this.#canvas);
    this.#tiles = this.#fresh();
    this.#listen();
    this.#resized.observe(element);
    this.#resize();
  }

  update(props: HeatMapProps): void {
    const before = this.#props;
    const isOther = props.id !== before.id || props.rows !== before.rows || props.columns !== before.columns;
    this.#props = props;
    if (!isOther && props.version === before.version) return this.recolour();
    this.#tiles.close();
    this.#tiles = this.#fresh();
    if (isOther) {
      this.#isFitted = true;
      this.#setCursor(null);
    }
    this.#resize();
  }

  /** Reads the colours again, such as after a change of theme. */
  recolour(): void {
    this.#tiles.repaint(this.#palette());
    this.#draw();
  }

  fit(): void {
    this.#isFitted = true;
    this.#look(fitted(this.#screen(), this.#props));
  }

  zoom(factor: number): void {
    const { width, height } = this.#screen();
    const at = this.#cursor;
    const x = at ? (at.column + 0.5 - this.#view.column) * this.#view.scale : width / 2;
    const y = at ? (at.row + 0.5 - this.#view.row) * this.#view.scale : height / 2;
    this.#zoomAt(factor, Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y)));
  }

  /** The picture as it is now, for saving. */
  picture(): HTMLCanvasElement {
    this.#paint();
    return this.#canvas;
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame);
    this.#events.abort();
    this.#resized.disconnect();
    this.#tiles.close();
    this.#canvas.remove();
  }

  #fresh(): Tiles {
    const { rows, columns, fetch } = this.#props;
    return new Tiles({ rows, columns }, fetch, () => this.#arrived(), (reason) => this.#props.onProblem(reason), this.#palette());
  }

  #palette(): Palette {
    // A variable's own text may be `light-dark(…)`; only a property that uses it is computed to one colour.
    const computed = (name: string) => {
      this.#canvas.style.color = `var(${name})`;
      return getComputedStyle(this.#canvas).color;
    };
    this.#stops = this.#props.stops.map((name) => parsed(computed(name)));
    this.#inks = [computed("--on-light-cell"), computed("--on-dark-cell")];
    const noNumber = word(parsed(computed("--not-a-number")));
    this.#canvas.style.color = "";
    return { low: this.#props.low, high: this.#props.high, table: lookUpTable(this.#stops), noNumber };
  }

  #screen(): Size {
    return { width: Math.max(1, this.#size.width - RULER.left), height: Math.max(1, this.#size.height - RULER.top) };
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.element;
    this.#size = { width: Math.max(1, width), height: Math.max(1, height) };
    const ratio = devicePixelRatio;
    [this.#canvas.width, this.#canvas.height] = [Math.round(this.#size.width * ratio), Math.round(this.#size.height * ratio)];
    this.#look(this.#isFitted ? fitted(this.#screen(), this.#props) : clamped(this.#view, this.#screen(), this.#props));
  }

  #look(view: View): void {
    this.#view = view;
    this.#draw();
  }

  #draw(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #arrived(): void {
    this.#draw();
    if (this.#cursor) this.#tellCursor();
  }

  #level(): number {
    return Math.min(topLevel(this.#props), levelFor(this.#view.scale * devicePixelRatio));
  }

  /** Coarse tiles first, finer ones over them: there is a picture of everything before the finest are here. */
  #paint(): void {
    const context = this.#context;
    const ratio = devicePixelRatio;
    const screen = this.#screen();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.#size.width, this.#size.height);
    context.save();
    context.beginPath();
    context.rect(RULER.left, RULER.top, screen.width, screen.height);
    context.clip();
    context.imageSmoothingEnabled = false;
    const finest = this.#level();
    for (let level = topLevel(this.#props); level >= finest; level--) this.#paintLevel(level, screen);
    this.#paintEntries(screen);
    this.#paintCursor();
    context.restore();
    this.#paintRulers(screen);
    const wanted = tilesInSight(this.#view, screen, this.#props, finest);
    this.#tiles.want([{ level: topLevel(this.#props), row: 0, column: 0 }, ...wanted]);
  }

  #paintLevel(level: number, screen: Size): void {
    const { scale } = this.#view;
    const block = 2 ** level * scale;
    for (const tile of tilesInSight(this.#view, screen, this.#props, level)) {
      const picture = this.#tiles.picture(tile);
      if (!picture) continue;
      const [x, y] = this.#place(tile.row * TILE * 2 ** level, tile.column * TILE * 2 ** level);
      // The last block of a row may stand for fewer entries than it is wide.
      const right = Math.min(x + picture.width * block, this.#place(0, this.#props.columns)[0]);
      const foot = Math.min(y + picture.height * block, this.#place(this.#props.rows, 0)[1]);
      this.#context.drawImage(picture, 0, 0, (right - x) / block, (foot - y) / block, x, y, right - x, foot - y);
    }
  }

  /** Pixels of an entry's top left corner. */
  #place(row: number, column: number): [x: number, y: number] {
    const { scale } = this.#view;
    return [RULER.left + (column - this.#view.column) * scale, RULER.top + (row - this.#view.row) * scale];
  }

  #paintEntries(screen: Size): void {
    const { scale } = this.#view;
    if (scale < LINES_FROM) return;
    const context = this.#context;
    const style = getComputedStyle(this.element);
    const first = { row: Math.max(0, Math.floor(this.#view.row)), column: Math.max(0, Math.floor(this.#view.column)) };
    const end = {
      row: Math.min(this.#props.rows, Math.ceil(this.#view.row + screen.height / scale)),
      column: Math.min(this.#props.columns, Math.ceil(this.#view.column + screen.width / scale)),
    };
    context.strokeStyle = style.getPropertyValue("background-color");
    context.lineWidth = 1;
    context.beginPath();
    for (let row = first.row; row <= end.row; row++) {
      context.moveTo(...this.#place(row, first.column));
      context.lineTo(...this.#place(row, end.column));
    }
    for (let column = first.column; column <= end.column; column++) {
      context.moveTo(...this.#place(first.row, column));
      context.lineTo(...this.#place(end.row, column));
    }
    context.stroke();
    if (scale < VALUES_FROM) return;
    context.font = `11px ${style.fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = first.row; row < end.row; row++) {
      for (let column = first.column; column < end.column; column++) this.#paintValue(row, column);
    }
  }

  #paintValue(row: number, column: number): void {
    const value = this.#tiles.value(0, row, column);
    if (value === undefined) return;
    const { low, high } = this.#props;
    const colour = between(this.#stops, high > low ? (value - low) / (high - low) : 0.5);
    this.#context.fillStyle = this.#inks[luminance(colour) > 0.2 ? 0 : 1];
    const [x, y] = this.#place(row, column);
    this.#context.fillText(figure(value, 2), x + this.#view.scale / 2, y + this.#view.scale / 2);
  }

  #paintCursor(): void {
    if (!this.#cursor) return;
    const block = 2 ** this.#level();
    const [row, column] = [this.#cursor.row - (this.#cursor.row % block), this.#cursor.column - (this.#cursor.column % block)];
    const [x, y] = this.#place(row, column);
    const side = Math.max(5, block * this.#view.scale);
    const style = getComputedStyle(this.element);
    for (const [width, colour] of [[4, style.backgroundColor], [2, style.color]] as const) {
      this.#context.strokeStyle = colour;
      this.#context.lineWidth = width;
      this.#context.strokeRect(x - 1, y - 1, side + 2, side + 2);
    }
  }

  #paintRulers(screen: Size): void {
    const context = this.#context;
    const style = getComputedStyle(this.element);
    const { scale } = this.#view;
    const step = rulerStep(scale, TICKS_APART);
    context.fillStyle = style.getPropertyValue("caret-color");
    context.font = `${style.fontSize} ${style.fontFamily}`;
    context.textBaseline = "middle";
    context.textAlign = "center";
    const centre = step === 1 ? scale / 2 : 0;
    for (const column of steps(this.#view.column, screen.width / scale, step, this.#props.columns)) {
      const x = this.#place(0, column)[0] + centre;
      if (x >= RULER.left - 1 && x <= this.#size.width) context.fillText(String(column), Math.min(this.#size.width - 12, Math.max(RULER.left + 4, x)), RULER.top / 2);
    }
    context.textAlign = "right";
    for (const row of steps(this.#view.row, screen.height / scale, step, this.#props.rows)) {
      const y = this.#place(row, 0)[1] + centre;
      if (y >= RULER.top - 1 && y <= this.#size.height) context.fillText(String(row), RULER.left - 6, Math.min(this.#size.height - 7, Math.max(RULER.top + 5, y)));
    }
  }

  #listen(): void {
    const { signal } = this.#events;
    const on = <Name extends keyof HTMLElementEventMap>(name: Name, act: (event: HTMLElementEventMap[Name]) => void, passive = true) =>
      this.element.addEventListener(name, act as EventListener, { signal, passive });
    on("pointerdown", (event) => this.#grab(event));
    on("pointermove", (event) => this.#hover(event));
    on("pointerleave", () => this.element !== document.activeElement && this.#setCursor(null));
    on("wheel", (event) => this.#wheel(event), false);
    on("dblclick", (event) => this.#zoomAt(event.shiftKey ? 1 / 2 : 2, ...this.#point(event)));
    on("keydown", (event) => this.#keyed(event), false);
    on("focus", () => this.#cursor ?? this.#setCursor(this.#middle()));
    this.#themed.addEventListener("change", () => this.recolour(), { signal });
    const root = new MutationObserver(() => this.recolour());
    root.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    signal.addEventListener("abort", () => root.disconnect());
  }

  #point(event: MouseEvent): [x: number, y: number] {
    const box = this.#canvas.getBoundingClientRect();
    return [event.clientX - box.left - RULER.left, event.clientY - box.top - RULER.top];
  }

  #grab(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.element.setPointerCapture(event.pointerId);
    const [startX, startY, start] = [event.clientX, event.clientY, this.#view];
    const move = (at: PointerEvent) => {
      this.#isFitted = false;
      const [row, column] = [start.row - (at.clientY - startY) / start.scale, start.column - (at.clientX - startX) / start.scale];
      this.#look(clamped({ row, column, scale: start.scale }, this.#screen(), this.#props));
    };
    const held = new AbortController();
    const until = { signal: held.signal };
    this.element.addEventListener("pointermove", move, until);
    for (const end of ["pointerup", "pointercancel"] as const) this.element.addEventListener(end, () => held.abort(), until);
  }

  #hover(event: PointerEvent): void {
    this.#setCursor(entryAt(this.#view, ...this.#point(event), this.#props));
  }

  /** The wheel moves the map, with Ctrl or a pinch it zooms. Where the map cannot move, the page does. */
  #wheel(event: WheelEvent): void {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      return this.#zoomAt(Math.exp(-event.deltaY * WHEEL_ZOOM * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1)), ...this.#point(event));
    }
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const [across, down] = event.shiftKey && event.deltaX === 0 ? [event.deltaY, 0] : [event.deltaX, event.deltaY];
    if (this.#pan((across * lines) / this.#view.scale, (down * lines) / this.#view.scale)) event.preventDefault();
  }

  #pan(columns: number, rows: number): boolean {
    const before = this.#view;
    const after = clamped({ ...before, row: before.row + rows, column: before.column + columns }, this.#screen(), this.#props);
    if (after.row === before.row && after.column === before.column) return false;
    this.#isFitted = false;
    this.#look(after);
    return true;
  }

  #zoomAt(factor: number, x: number, y: number): void {
    const view = zoomed(this.#view, factor, x, y, this.#screen(), this.#props);
    this.#isFitted = view.scale <= fitted(this.#screen(), this.#props).scale;
    this.#look(view);
    if (this.#cursor) this.#tellCursor();
  }

  /** Arrows step the cursor by one entry (or block), with Shift they move the map; + and − zoom, 0 shows all. */
  #keyed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = ARROWS[event.key];
    if (step && event.shiftKey) this.#pan((step[0] * this.#screen().width) / this.#view.scale / 4, (step[1] * this.#screen().height) / this.#view.scale / 4);
    else if (step) this.#step(...step);
    else if (event.key === "+" || event.key === "=") this.zoom(KEY_ZOOM);
    else if (event.key === "-" || event.key === "−") this.zoom(1 / KEY_ZOOM);
    else if (event.key === "0") this.fit();
    else if (event.key === "Home") this.#step(-Infinity, 0);
    else if (event.key === "End") this.#step(Infinity, 0);
    else if (event.key === "PageUp") this.#step(0, -this.#screen().height / this.#view.scale);
    else if (event.key === "PageDown") this.#step(0, this.#screen().height / this.#view.scale);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #step(across: number, down: number): void {
    const block = 2 ** this.#level();
    const from = this.#cursor ?? this.#middle();
    const along = (at: number, by: number, length: number) => Math.min(length - 1, Math.max(0, at + (Math.abs(by) === 1 ? by * block : Math.trunc(Number.isFinite(by) ? by : by > 0 ? length : -length))));
    const next = { row: along(from.row, down, this.#props.rows), column: along(from.column, across, this.#props.columns) };
    this.#look(revealed(this.#view, next.row, next.column, this.#screen(), this.#props));
    this.#setCursor(next);
  }

  #middle(): { row: number; column: number } {
    const { width, height } = this.#screen();
    return entryAt(this.#view, width / 2, height / 2, this.#props) ?? { row: 0, column: 0 };
  }

  #setCursor(at: { row: number; column: number } | null): void {
    if (at?.row === this.#cursor?.row && at?.column === this.#cursor?.column) return;
    this.#cursor = at;
    this.#draw();
    this.#tellCursor();
  }

  /** The exact value where its tile is here, else that of the block that is drawn. */
  #tellCursor(): void {
    const at = this.#cursor;
    if (!at) return this.#props.onCursor(null);
    const exact = this.#tiles.value(0, at.row, at.column);
    if (exact !== undefined) return this.#props.onCursor({ ...at, block: 1, value: exact });
    const level = this.#level();
    const block = 2 ** level;
    this.#props.onCursor({ row: at.row - (at.row % block), column: at.column - (at.column % block), block, value: this.#tiles.value(level, at.row, at.column) });
  }
}

const ARROWS: Record<string, [across: number, down: number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function steps(from: number, length: number, step: number, end: number): number[] {
  const first = Math.max(0, Math.ceil(from / step) * step - (step === 1 ? step : 0));
  const found: number[] = [];
  for (let at = first; at < Math.min(end, from + length); at += step) found.push(at);
  return found;
}
