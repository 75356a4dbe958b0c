// Every shortcut in one table: what `?` lists is what works.

export const SHORTCUTS = {
  openFiles: ["mod+o"],
  openFolder: ["mod+shift+o"],
  paste: ["mod+v"],
  find: ["mod+f", "mod+k", "/"],
  selectAll: ["mod+a"],
  move: ["arrows"],
  extend: ["shift+arrows"],
  edges: ["home", "end", "pageup", "pagedown"],
  large: ["space", "enter"],
  remove: ["delete"],
  tag: ["t"],
  searchPhoto: ["s"],
  belongs: ["plus"],
  belongsNot: ["minus"],
  filterLabel: ["1–9"],
  labels: ["l"],
  inspector: ["i"],
  undo: ["mod+z"],
  mapMove: ["arrows"],
  mapPan: ["shift+arrows"],
  mapZoom: ["plus", "minus", "0"],
  labUndo: ["mod+z"],
  labRedo: ["mod+shift+z", "mod+y"],
  labMove: ["alt+updown"],
  reviewAccept: ["a"],
  reviewReject: ["r"],
  reviewSkip: ["s", "space", "arrowright"],
  reviewBack: ["arrowleft"],
  reviewUndo: ["u", "mod+z"],
  reviewRedo: ["mod+shift+z", "mod+y"],
  modelMove: ["updown"],
  modelEdges: ["home", "end", "pageup", "pagedown"],
  modelOpen: ["enter"],
  modelRemove: ["delete"],
  shelfMove: ["arrows"],
  shelfMark: ["x"],
  shelfMarkGroup: ["shift+x"],
  shelfCompare: ["enter"],
  photos: ["g"],
  review: ["v"],
  shelf: ["b"],
  projection: ["p"],
  models: ["d"],
  shortcuts: ["?"],
  close: ["escape"],
} as const;

export type ShortcutId = keyof typeof SHORTCUTS;

export const SCREENS = ["photos", "review", "shelf", "projection", "models"] as const;
export type Screen = (typeof SCREENS)[number];

export interface ShortcutGroup {
  id: "add" | "grid" | "labels" | "review" | "edits" | "matrix" | "models" | "shelf" | "window";
  /** The screen on which its keys mean this; none for every screen. */
  screen: Screen | null;
  shortcuts: readonly ShortcutId[];
}

export const SHORTCUT_GROUPS: readonly ShortcutGroup[] = [
  { id: "add", screen: null, shortcuts: ["openFiles", "openFolder", "paste"] },
  { id: "grid", screen: "photos", shortcuts: ["move", "extend", "edges", "selectAll", "large", "tag", "searchPhoto", "belongs", "belongsNot", "remove"] },
  { id: "labels", screen: "photos", shortcuts: ["labels", "filterLabel", "undo"] },
  { id: "review", screen: "review", shortcuts: ["reviewAccept", "reviewReject", "reviewSkip", "reviewBack", "reviewUndo", "reviewRedo"] },
  { id: "edits", screen: "projection", shortcuts: ["labUndo", "labRedo", "labMove"] },
  { id: "matrix", screen: "projection", shortcuts: ["mapMove", "mapPan", "mapZoom"] },
  { id: "models", screen: "models", shortcuts: ["modelMove", "modelEdges", "modelOpen", "modelRemove"] },
  { id: "shelf", screen: "shelf", shortcuts: ["shelfMove", "shelfMark", "shelfMarkGroup", "shelfCompare"] },
  { id: "window", screen: null, shortcuts: ["photos", "review", "shelf", "projection", "models", "find", "inspector", "shortcuts", "close"] },
];

export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
}

const NAMED: Record<string, string> = { " ": "space", backspace: "delete", "+": "plus", "-": "minus" };

/** `mod+shift+o`, `l`, `?`, `3`; `mod` is ⌘ on a Mac and Ctrl elsewhere. */
export function chord(press: KeyPress, isMac: boolean): string {
  const key = press.key.toLowerCase();
  const isMod = isMac ? press.metaKey : press.ctrlKey;
  // A character like `?` already needs shift on most keyboards; naming it twice would never match.
  const namesShift = press.shiftKey && (key.length > 1 || /[a-z]/u.test(key) || key === " ");
  return [isMod ? "mod" : "", press.altKey ? "alt" : "", namesShift ? "shift" : "", NAMED[key] ?? key].filter(Boolean).join("+");
}

/** What a chord means on a screen. */
export function shortcutFor(pressed: string, screen: Screen): ShortcutId | null {
  const known = SHORTCUT_GROUPS.filter((group) => group.screen === null || group.screen === screen).flatMap((group) => group.shortcuts);
  return known.find((id) => (SHORTCUTS[id] as readonly string[]).includes(pressed)) ?? null;
}

/** 0 for `1` … 8 for `9`. */
export function digitIndex(pressed: string): number | null {
  return /^[1-9]$/u.test(pressed) ? Number(pressed) - 1 : null;
}

const MAC_GLYPHS: Record<string, string> = { mod: "⌘", shift: "⇧", alt: "⌥" };
const GLYPHS: Record<string, string> = {
  mod: "Ctrl", shift: "Shift", alt: "Alt", arrows: "← ↑ → ↓", updown: "↑ ↓", arrowleft: "←", arrowright: "→", escape: "Esc", delete: "Del", enter: "Enter", home: "Home", end: "End", plus: "+", minus: "−", pageup: "PgUp", pagedown: "PgDn",
};

/** A chord's keycaps, as printed on the keyboard; the space bar has no print and comes from the catalogue. */
export function keycaps(keys: string, isMac: boolean, spaceName: string): string[] {
  return keys.split("+").map((part) => {
    if (part === "space") return spaceName;
    const mac = isMac ? MAC_GLYPHS[part] : undefined;
    return mac ?? GLYPHS[part] ?? part.toUpperCase();
  });
}
