// The language of the window. `t` in a template follows a change of language at once.
import en from "../i18n/en.json";
import zhCN from "../i18n/zh-CN.json";
import type { Problem } from "../ipc/bindings";
import { pickLocale, Translator, type Locale, type Values } from "../model/i18n";
import { preferences } from "./preferences.svelte";

export type MessageKey = keyof typeof en;

const TRANSLATORS: Record<Locale, Translator<MessageKey>> = {
  en: new Translator("en", en),
  "zh-CN": new Translator("zh-CN", zhCN),
};

const locale: Locale = $derived(
  preferences.value.language === "system" ? pickLocale(navigator.languages) : preferences.value.language,
);

export function currentLocale(): Locale {
  return locale;
}

export function t(key: MessageKey, values?: Values): string {
  return TRANSLATORS[locale].say(key, values);
}

/** For words about what a catalogue may know and this window may not, such as a kind of architecture. */
export function tIfKnown(key: string, values?: Values): string | null {
  return Object.hasOwn(en, key) ? t(key as MessageKey, values) : null;
}

/** What happened and what to do about it, in the person's language. */
export function explain(problem: Problem): { what: string; remedy: string } {
  // Where the shell gives no cause of its own, the whole message is one.
  const values = { cause: problem.message, ...problem.params };
  return { what: t(`problem.${problem.code}`, values), remedy: t(`remedy.${problem.code}`, values) };
}
