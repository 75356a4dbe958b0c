// Every shortcut in one table: what `?` lists is what works.

export const SHORTCUTS = {
  openFiles: ["mod+o"],
  openFolder: ["mod+shift+o"],
  paste: ["mod+v"],
  find: ["mod+f"],
  selectAll: ["mod+a"],
  move: ["arrows"],
  extend: ["shift+arrows"],
  edges: ["home", "end", "pageup", "pagedown"],
  large: ["space", "enter"],
  remove: ["delete"],
  filterLabel: ["1–9"],
  labels: ["l"],
  inspector: ["i"],
  undo: ["mod+z"],
  shortcuts: ["?"],
  close: ["escape"],
} as const;

export type ShortcutId = keyof typeof SHORTCUTS;

export const SHORTCUT_GROUPS: readonly { id: "add" | "grid" | "labels" | "window"; shortcuts: readonly ShortcutId[] }[] = [
  { id: "add", shortcuts: ["openFiles", "openFolder", "paste"] },
  { id: "grid", shortcuts: ["move", "extend", "edges", "selectAll", "large", "remove", "find"] },
  { id: "labels", shortcuts: ["labels", "filterLabel", "undo"] },
  { id: "window", shortcuts: ["inspector", "shortcuts", "close"] },
];

export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
}

const NAMED: Record<string, string> = { " ": "space", backspace: "delete" };

/** `mod+shift+o`, `l`, `?`, `3`; `mod` is ⌘ on a Mac and Ctrl elsewhere. */
export function chord(press: KeyPress, isMac: boolean): string {
  const key = press.key.toLowerCase();
  const isMod = isMac ? press.metaKey : press.ctrlKey;
  // A character like `?` already needs shift on most keyboards; naming it twice would never match.
  const namesShift = press.shiftKey && (key.length > 1 || /[a-z]/u.test(key) || key === " ");
  return [isMod ? "mod" : "", press.altKey ? "alt" : "", namesShift ? "shift" : "", NAMED[key] ?? key].filter(Boolean).join("+");
}

export function shortcutFor(pressed: string): ShortcutId | null {
  const found = Object.entries(SHORTCUTS).find(([, chords]) => (chords as readonly string[]).includes(pressed));
  return found ? (found[0] as ShortcutId) : null;
}

/** 0 for `1` … 8 for `9`. */
export function digitIndex(pressed: string): number | null {
  return /^[1-9]$/u.test(pressed) ? Number(pressed) - 1 : null;
}

const MAC_GLYPHS: Record<string, string> = { mod: "⌘", shift: "⇧", alt: "⌥" };
const GLYPHS: Record<string, string> = {
  mod: "Ctrl", shift: "Shift", alt: "Alt", arrows: "← ↑ → ↓", escape: "Esc", delete: "Del", enter: "Enter", home: "Home", end: "End", pageup: "PgUp", pagedown: "PgDn",
};

/** A chord's keycaps, as printed on the keyboard; the space bar has no print and comes from the catalogue. */
export function keycaps(keys: string, isMac: boolean, spaceName: string): string[] {
  return keys.split("+").map((part) => {
    if (part === "space") return spaceName;
    const mac = isMac ? MAC_GLYPHS[part] : undefined;
    return mac ?? GLYPHS[part] ?? part.toUpperCase();
  });
}
