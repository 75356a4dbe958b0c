// What the window remembers on this machine: looks, language, panel widths. Labels and models are the shell's to remember.
import { LOCALES, type Locale } from "../model/i18n";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
export type GridMode = "justified" | "square";

export const PANEL_WIDTH = { least: 240, most: 560 };
export const DETAILS_WIDTH = { least: 320, most: 640 };
export const LAB_WIDTH = { least: 300, most: 560 };
export const PHOTO_SIZE = { least: 90, most: 420 };

interface Stored {
  theme: Theme;
  language: Locale | "system";
  gridMode: GridMode;
  photoSize: number;
  inspectorOpen: boolean;
  inspectorWidth: number;
  labelsOpen: boolean;
  labelsWidth: number;
  modelDetailsOpen: boolean;
  modelDetailsWidth: number;
  labWidth: number;
  insideOpen: boolean;
}

const KEY = "cliploupe.preferences";
const DEFAULTS: Stored = {
  theme: "system",
  language: "system",
  gridMode: "justified",
  photoSize: 160,
  inspectorOpen: true,
  inspectorWidth: 320,
  labelsOpen: false,
  labelsWidth: 300,
  modelDetailsOpen: true,
  modelDetailsWidth: 380,
  labWidth: 400,
  insideOpen: false,
};

export class Preferences {
  #value: Stored = $state(read());

  get value(): Readonly<Stored> {
    return this.#value;
  }

  set<Name extends keyof Stored>(name: Name, value: Stored[Name]): void {
    this.#value[name] = value;
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#value));
    } catch {
      // A webview without storage still works; it only forgets.
    }
  }
}

function read(): Stored {
  return { ...DEFAULTS, ...valid(stored()), ...fromAddress() };
}

function stored(): Partial<Stored> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Stored>;
  } catch {
    return {};
  }
}

/** Numbers and words that an older or newer version wrote must not break the frame. */
function valid(found: Partial<Stored>): Partial<Stored> {
  const kept: Partial<Stored> = {};
  for (const key of Object.keys(DEFAULTS) as (keyof Stored)[]) {
    if (typeof found[key] === typeof DEFAULTS[key]) Object.assign(kept, { [key]: found[key] });
  }
  if (!THEMES.includes(kept.theme ?? "system")) delete kept.theme;
  if (kept.language !== "system" && !LOCALES.includes(kept.language as Locale)) delete kept.language;
  return kept;
}

/** For development in a browser: `?theme=dark&lang=zh-CN`. */
function fromAddress(): Partial<Stored> {
  if (!import.meta.env.DEV) return {};
  const query = new URLSearchParams(location.search);
  return valid({
    theme: (query.get("theme") ?? undefined) as Theme | undefined,
    language: (query.get("lang") ?? undefined) as Locale | undefined,
  });
}

export const preferences = new Preferences();
