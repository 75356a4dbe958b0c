// Scrolling through more than a page can be tall. Webviews end a page at some 33 million pixels, divided by the screen's scale, and a
// million photos are taller. What is scrolled is then a shorter page: small movements move by as much as they say, a jump of the
// scroll bar moves by share. Near both ends the two agree, so that the ends can be reached by small movements.

/** In CSS pixels; half of what the strictest webview takes on a screen of two pixels each. */
export const TALLEST_PAGE = 8_000_000;
/** So far from both ends, page and content agree. */
const AGREEMENT = 200_000;

export class ScaledScroll {
  /** Where the content stands: pixels of content above the screen's upper edge. */
  top = 0;
  #page = 0;
  #height = 0;
  #screen = 0;

  constructor(readonly tallest = TALLEST_PAGE) {}

  /** How tall the page is. */
  get pageHeight(): number {
    return Math.min(this.#height, this.tallest);
  }

  /** What is added to a place in the content to get its place in the page, as it is scrolled now. */
  get shift(): number {
    return this.#page - this.top;
  }

  /** The content or the screen has another size. Gives where the page has to be scrolled to. */
  resize(height: number, screen: number): number {
    this.#height = height;
    this.#screen = screen;
    return this.moveTo(this.top);
  }

  /** Shows the content from `top` on. Gives where the page has to be scrolled to. */
  moveTo(top: number): number {
    this.top = Math.max(0, Math.min(top, this.#height - this.#screen));
    this.#page = this.#pageOf(this.top);
    return this.#page;
  }

  /** The page was scrolled, by the person or by `moveTo`. */
  scrolled(page: number): void {
    const by = page - this.#page;
    // Webviews round what they scroll to.
    if (Math.abs(by) < 1 && page > 0) return;
    if (!this.#isScaled) this.top = page;
    else if (Math.abs(by) <= 2 * this.#screen) this.top = Math.max(0, Math.min(this.top + by, this.#height - this.#screen));
    else this.top = this.#contentOf(page);
    this.#page = page;
  }

  /** Small movements add up to a place that the scroll bar does not show: gives where to put the page, or null. */
  settle(): number | null {
    if (!this.#isScaled || Math.abs(this.#pageOf(this.top) - this.#page) < 1) return null;
    return this.moveTo(this.top);
  }

  /** Whether a small movement could come to an end of the page that is not one of the content. */
  get isAtFalseEnd(): boolean {
    if (!this.#isScaled) return false;
    const nearStart = this.#page < this.#screen && this.top > this.#page + 1;
    const left = this.pageHeight - this.#screen - this.#page;
    return nearStart || (left < this.#screen && this.#height - this.#screen - this.top > left + 1);
  }

  get #isScaled(): boolean {
    return this.#height > this.tallest;
  }

  get #stretch(): { edge: number; pageEnd: number; contentEnd: number; factor: number } {
    const pageEnd = this.pageHeight - this.#screen;
    const contentEnd = this.#height - this.#screen;
    const edge = Math.min(AGREEMENT, pageEnd / 4);
    return { edge, pageEnd, contentEnd, factor: (contentEnd - 2 * edge) / (pageEnd - 2 * edge) };
  }

  #contentOf(page: number): number {
    const { edge, pageEnd, contentEnd, factor } = this.#stretch;
    if (page <= edge) return page;
    if (page >= pageEnd - edge) return contentEnd - (pageEnd - page);
    return edge + (page - edge) * factor;
  }

  #pageOf(top: number): number {
    if (!this.#isScaled) return top;
    const { edge, pageEnd, contentEnd, factor } = this.#stretch;
    if (top <= edge) return top;
    if (top >= contentEnd - edge) return pageEnd - (contentEnd - top);
    return edge + (top - edge) / factor;
  }
}
