// Models in the person's language: what they are called, what is known of them, and the words by which they are found.
import type { CatalogueModel } from "../ipc/bindings";
import { t, tIfKnown } from "./i18n.svelte";

export function groupName(group: string): string {
  return tIfKnown(`group.${group}`) ?? group;
}

export function languageName(language: string | null): string {
  if (language === null) return t("models.unknown");
  return tIfKnown(`language.${language}`) ?? language;
}

/** `embedded` is a name for command lines; people read another. */
export function modelTitle(model: CatalogueModel): string {
  return model.state === "embedded" ? t("model.builtIn") : (model.model ?? model.name);
}

/** Everything by which a person may look for a model. */
export function searchWords(model: CatalogueModel): string {
  const { name, group, licence, language, recommended, source, why } = model;
  const known = [modelTitle(model), name, licence, source, group, group && groupName(group), language, language && languageName(language), why];
  if (recommended !== null) known.push(recommended, t(`recommended.${recommended}`));
  return known.filter(Boolean).join("\n");
}
