// Keys that work anywhere in the window. Keys of the grid are the grid's own (views/photos/gridKeys.ts).
import { chord, digitIndex, shortcutFor, type ShortcutId } from "../../model/keys";
import type { Workspace } from "../../state/workspace.svelte";

export const IS_MAC = /Mac/u.test(navigator.platform);

type Actions = Partial<Record<ShortcutId, () => unknown>>;

/** Returns what to listen with on the window. */
export function globalKeys(app: Workspace): (event: KeyboardEvent) => void {
  const { backend, grid } = app;
  const actions: Actions = {
    openFiles: () => app.run(backend.chooseFiles()),
    openFolder: () => app.run(backend.chooseFolder()),
    paste: () => app.run(backend.paste()),
    find: () => (app.findRequests += 1),
    large: () => openLarge(app),
    remove: () => app.removeSelected(),
    labels: () => app.panels.toggleLabels(),
    inspector: () => app.panels.toggleInspector(),
    shortcuts: () => (app.dialog = "shortcuts"),
    close: () => (grid.isFiltered ? grid.clearFilter() : undefined),
  };
  return (event) => {
    if (event.defaultPrevented || isFloating()) return;
    const pressed = chord(event, IS_MAC);
    const typing = isTyping(event.target);
    if (typing && !WORKS_WHILE_TYPING.has(pressed)) return;
    if ((pressed === "space" || pressed === "enter") && isPressable(event.target)) return;
    if (pressed === "delete" && isInEditor(event.target)) return;
    const digit = digitIndex(pressed);
    const label = digit === null ? undefined : app.labels.value.labels[digit];
    const action = label === undefined ? actions[shortcutFor(pressed) ?? "move"] : () => grid.toggleFilter(label);
    if (action) {
      event.preventDefault();
      action();
    } else if (/^(arrow|home|end|page)/u.test(pressed) || pressed === "mod+a") {
      toGrid(event);
    }
  };
}

/** Opening files and finding make sense from a text field too; the rest is typing. */
const WORKS_WHILE_TYPING = new Set(["mod+o", "mod+shift+o", "mod+f"]);

/** A dialog or popover has the keyboard to itself; the browser closes it on Esc. */
function isFloating(): boolean {
  return document.querySelector("dialog[open], [popover='auto']:popover-open") !== null;
}

function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return target.type !== "radio" && target.type !== "checkbox" && target.type !== "range";
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** Del in the labels editor is about labels, never about the selected photos. */
function isInEditor(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("#labels-editor") !== null;
}

/** Space and Enter press a focused button. */
function isPressable(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("button, summary, input") !== null;
}

/** Arrows with nothing in focus mean the photos: the grid gets the focus and the same key. */
function toGrid(event: KeyboardEvent): void {
  const grid = document.getElementById("photo-grid");
  if (!grid || document.activeElement !== document.body) return;
  event.preventDefault();
  grid.focus();
  grid.dispatchEvent(new KeyboardEvent("keydown", event));
}

function openLarge(app: Workspace): void {
  const { grid } = app;
  const id = grid.selection.active ?? grid.ids[0];
  if (id !== undefined && grid.ids.includes(id)) grid.largeId = id;
}
