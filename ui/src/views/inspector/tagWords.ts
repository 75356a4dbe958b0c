// Where a tag or a suggestion comes from, in words.
import type { Decided, SuggestedBy } from "../../ipc/bindings";
import * as format from "../../model/format";
import { currentLocale, t } from "../../state/i18n.svelte";

/** `Confirmed by you, 3 May 2025, 14:02` and, if the machine had suggested it, how sure it was. */
export function decidedWords({ accepted, origin, decidedMs, suggested }: Decided): string {
  const date = format.dateTime(decidedMs, currentLocale());
  const who = accepted ? t(`tags.from.${origin}`, { date }) : t("tags.rejectedOn", { date });
  return suggested ? `${who}\n${suggestedWords(suggested)}` : who;
}

export function suggestedWords({ model, prompt, score, probability, suggestedMs }: SuggestedBy): string {
  return t("tags.suggestedBy", {
    model, prompt, score: format.signed(score, 3), probability: format.percent(probability, currentLocale()), date: format.dateTime(suggestedMs, currentLocale()),
  });
}
