import { describe, expect, it } from "vitest";
import { ScaledScroll, TALLEST_PAGE } from "./scaledScroll";

const SCREEN = 800;
/** A million photos, six in a row of 260 pixels. */
const TALL = 43_000_000;

function scaled(height = TALL): ScaledScroll {
  const scroll = new ScaledScroll();
  scroll.resize(height, SCREEN);
  return scroll;
}

describe("a_page_that_is_short_enough", () => {
  it("is_scrolled_as_any_page_is", () => {
    const scroll = scaled(50_000);
    scroll.scrolled(1234);
    expect([scroll.pageHeight, scroll.top, scroll.shift]).toEqual([50_000, 1234, 0]);
    expect(scroll.settle()).toBeNull();
  });
});

describe("a_page_that_would_be_too_tall", () => {
  it("is_never_taller_than_webviews_take", () => expect(scaled().pageHeight).toBe(TALLEST_PAGE));

  it("comes_to_both_ends_by_the_scroll_bar", () => {
    const scroll = scaled();
    scroll.scrolled(TALLEST_PAGE - SCREEN);
    expect(scroll.top).toBe(TALL - SCREEN);
    scroll.scrolled(0);
    expect(scroll.top).toBe(0);
  });

  it("moves_by_as_much_as_a_wheel_says_wherever_it_is", () => {
    const scroll = scaled();
    scroll.scrolled(4_000_000);
    const before = scroll.top;
    for (let step = 1; step <= 10; step++) scroll.scrolled(4_000_000 + step * 100);
    expect(scroll.top - before).toBeCloseTo(1000, 6);
  });

  it("shows_every_row_when_it_is_scrolled_bit_by_bit_and_rests_now_and_then", () => {
    const scroll = scaled(9_000_000);
    let page = scroll.moveTo(3_000_000);
    let last = scroll.top;
    let largest = 0;
    while (scroll.top < 9_000_000 - SCREEN) {
      scroll.scrolled((page += 1500));
      largest = Math.max(largest, scroll.top - last);
      last = scroll.top;
      page = (scroll.isAtFalseEnd ? scroll.moveTo(scroll.top) : scroll.settle()) ?? page;
    }
    expect(largest).toBeLessThanOrEqual(1500.001);
  });

  it("goes_where_it_is_told_and_stays_there_when_the_page_follows", () => {
    const scroll = scaled();
    for (const top of [0, 150_000, 20_000_000, TALL - 150_000, TALL - SCREEN]) {
      scroll.scrolled(Math.round(scroll.moveTo(top)));
      expect(scroll.top).toBeCloseTo(top, 6);
    }
  });

  it("puts_the_page_right_after_small_movements_without_moving_the_content", () => {
    const scroll = scaled();
    const page = scroll.moveTo(20_000_000);
    for (let step = 1; step <= 100; step++) scroll.scrolled(page + step * 1000);
    const { top } = scroll;
    expect(scroll.settle()).not.toBeNull();
    expect(scroll.top).toBe(top);
    expect(scroll.settle()).toBeNull();
  });

  it("notices_when_the_page_ends_before_the_content_does", () => {
    const scroll = scaled();
    let page = scroll.moveTo(300_000);
    while (page > SCREEN) scroll.scrolled((page -= 1500));
    expect([scroll.top > 10_000, scroll.isAtFalseEnd]).toEqual([true, true]);
    scroll.moveTo(scroll.top);
    expect(scroll.isAtFalseEnd).toBe(false);
  });

  it("keeps_its_place_when_photos_go", () => {
    const scroll = scaled();
    scroll.moveTo(30_000_000);
    scroll.resize(TALL - 1000, SCREEN);
    expect(scroll.top).toBe(30_000_000);
    scroll.resize(1_000_000, SCREEN);
    expect([scroll.top, scroll.shift]).toEqual([1_000_000 - SCREEN, 0]);
  });
});
