// A search in words.
import type { SearchTerm } from "../../ipc/bindings";
import { arithmetic } from "../../model/query";
import { t } from "../../state/i18n.svelte";
import type { Workspace } from "../../state/workspace.svelte";

export function termName(app: Workspace, term: SearchTerm): string {
  return term.kind === "text" ? t("search.quoted", { text: term.text }) : app.library.name(term.id) || t("search.photo");
}

/** `score = (1·z(“beach”) − 0.5·max(0, z(IMG_1.jpg))) / 1` */
export function scoreFormula(app: Workspace, terms: readonly SearchTerm[]): string {
  return t("search.formula", { sum: arithmetic(terms, (term) => termName(app, term)) });
}
