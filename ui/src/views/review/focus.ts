// Who has the keys. A control that was clicked gives them back to the queue; one that was reached by keyboard keeps them.

let wasPointer = false;

/** To be called for every press and key, before anything else hears of it. */
export function noteInput(event: Event): void {
  wasPointer = event.type === "pointerdown";
}

export function releaseFocus(): void {
  if (wasPointer && document.activeElement instanceof HTMLElement) document.activeElement.blur();
}
