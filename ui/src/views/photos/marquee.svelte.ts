// A rectangle dragged over the grid selects what it touches; near an edge it scrolls.
import { photosIn, type Box, type GridLayout } from "../../model/layout";
import { marqueed, NOTHING, type Selection } from "../../model/selection";

interface Surroundings {
  scroller: () => HTMLElement;
  /** Pixels of content above the screen's upper edge. */
  top: () => number;
  scrollTo: (top: number) => void;
  padding: number;
  layout: () => GridLayout;
  ids: () => Uint32Array;
  selection: () => Selection;
  select: (selection: Selection) => void;
}

interface Point {
  x: number;
  y: number;
}

/** A press that moves less than this is a click. */
const SLACK = 5;
const EDGE = 36;
const SCROLL_PER_FRAME = 18;

export class Marquee {
  box: Box | null = $state.raw(null);

  #around: Surroundings;
  #from: Point = { x: 0, y: 0 };
  #pointer: Point = { x: 0, y: 0 };
  #begun: Selection = NOTHING;
  #toggle = false;
  #frame = 0;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** `before`: the selection as it was when the button went down, which ctrl and shift add to. */
  begin(event: PointerEvent, before: Selection): void {
    const scroller = this.#around.scroller();
    this.#from = this.#inContent(event);
    this.#toggle = event.ctrlKey || event.metaKey;
    this.#begun = this.#toggle || event.shiftKey ? before : NOTHING;
    const start = { x: event.clientX, y: event.clientY };
    const move = (moved: PointerEvent) => {
      this.#pointer = { x: moved.clientX, y: moved.clientY };
      if (this.box || Math.hypot(moved.clientX - start.x, moved.clientY - start.y) > SLACK) this.#stretch();
    };
    const end = () => {
      scroller.removeEventListener("pointermove", move);
      scroller.removeEventListener("pointerup", end);
      scroller.removeEventListener("pointercancel", end);
      cancelAnimationFrame(this.#frame);
      this.#frame = 0;
      this.box = null;
    };
    scroller.addEventListener("pointermove", move);
    scroller.addEventListener("pointerup", end);
    scroller.addEventListener("pointercancel", end);
    scroller.setPointerCapture(event.pointerId);
  }

  #stretch(): void {
    const to = this.#inContent({ clientX: this.#pointer.x, clientY: this.#pointer.y });
    this.box = {
      left: Math.min(this.#from.x, to.x),
      top: Math.min(this.#from.y, to.y),
      width: Math.abs(to.x - this.#from.x),
      height: Math.abs(to.y - this.#from.y),
    };
    const ids = this.#around.ids();
    const touched = photosIn(this.#around.layout(), this.box).flatMap((index) => ids[index] ?? []);
    this.#around.select(marqueed(this.#begun, touched, this.#toggle));
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#scrollAtEdge());
  }

  #scrollAtEdge(): void {
    this.#frame = 0;
    const { top, bottom } = this.#around.scroller().getBoundingClientRect();
    const over = this.#pointer.y < top + EDGE ? -1 : this.#pointer.y > bottom - EDGE ? 1 : 0;
    if (!this.box || over === 0) return;
    this.#around.scrollTo(this.#around.top() + over * SCROLL_PER_FRAME);
    this.#stretch();
  }

  #inContent({ clientX, clientY }: { clientX: number; clientY: number }): Point {
    const { left, top } = this.#around.scroller().getBoundingClientRect();
    const { padding } = this.#around;
    return { x: clientX - left - padding, y: clientY - top + this.#around.top() - padding };
  }
}
