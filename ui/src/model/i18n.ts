// Messages in ICU form, from a catalogue. Which catalogue is the state's business.
import { IntlMessageFormat } from "intl-messageformat";

export type Values = Record<string, string | number>;
export const LOCALES = ["en", "zh-CN"] as const;
export type Locale = (typeof LOCALES)[number];

export class Translator<Key extends string> {
  #formats = new Map<Key, IntlMessageFormat>();

  constructor(
    readonly locale: string,
    readonly catalogue: Readonly<Record<Key, string>>,
  ) {}

  say(key: Key, values?: Values): string {
    return String(this.#format(key).format(values));
  }

  #format(key: Key): IntlMessageFormat {
    const known = this.#formats.get(key);
    if (known) return known;
    // Messages are text, never markup: a label named `<b>` must come out as typed.
    const format = new IntlMessageFormat(this.catalogue[key], this.locale, undefined, { ignoreTag: true });
    this.#formats.set(key, format);
    return format;
  }
}

/** The catalogue for the languages a person prefers, first match wins; English when none is known. */
export function pickLocale(preferred: readonly string[]): Locale {
  for (const language of preferred) {
    if (/^zh\b/iu.test(language)) return "zh-CN";
    if (/^en\b/iu.test(language)) return "en";
  }
  return "en";
}
