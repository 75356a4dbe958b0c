// The list of models: how each stands, what can be done with it, and search, filter and order over all of them.
import type { CatalogueModel, ModelInfo, Transfer, TransferState } from "../ipc/bindings";

/** How a model stands, finer than the shell's state: what its row says. */
export type Standing =
  | "available" | "unsupported"
  | "waiting" | "connecting" | "receiving" | "retrying" | "checking" | "paused" | "failed"
  | "installed" | "inPlace" | "missing" | "embedded";

const MOVING: Partial<Record<TransferState, Standing>> = {
  waiting: "waiting", connecting: "connecting", receiving: "receiving", retrying: "retrying", checking: "checking",
};

export function standingOf(model: CatalogueModel): Standing {
  switch (model.state) {
    case "embedded":
      return "embedded";
    case "installed":
      if (model.installed?.problem) return "missing";
      return model.installed?.inPlace ? "inPlace" : "installed";
    case "downloading":
      return MOVING[model.transfer?.state ?? "waiting"] ?? "waiting";
    case "paused":
      return "paused";
    case "failed":
      return "failed";
    case "available":
      return model.unsupported === null ? "available" : "unsupported";
  }
}

export function isHere(model: CatalogueModel): boolean {
  return model.state === "embedded" || model.state === "installed";
}

export function isMoving(model: CatalogueModel): boolean {
  return model.state === "downloading";
}

/** A copy from this machine has no name in the catalogue; it cannot be gone on with, only be made again. */
export function isCopy(model: CatalogueModel): boolean {
  return model.model === null;
}

export type Action = "use" | "download" | "pause" | "resume" | "cancel" | "verify" | "reveal" | "remove";

/** What can be done with a model, the most wanted first. */
export function actionsFor(model: CatalogueModel): Action[] {
  switch (standingOf(model)) {
    case "available":
      return ["download"];
    case "unsupported":
      return [];
    case "waiting":
    case "connecting":
    case "receiving":
    case "retrying":
    case "checking":
      return isCopy(model) ? ["cancel"] : ["pause", "cancel"];
    case "paused":
    case "failed":
      return isCopy(model) ? ["cancel"] : ["resume", "cancel"];
    case "missing":
      return model.active ? [] : ["remove"];
    case "embedded":
      return model.active ? ["verify"] : ["use", "verify"];
    case "installed":
    case "inPlace":
      return model.active ? ["verify", "reveal"] : ["use", "verify", "reveal", "remove"];
  }
}

/** How much of a transfer is here, 0…1; null until the size is known. */
export function shareOf(transfer: Transfer): number | null {
  if (transfer.total === null || transfer.total <= 0) return null;
  return Math.min(1, Math.max(0, transfer.received / transfer.total));
}

/** The list with the newest figures of one transfer in it. */
export function withTransfer(models: readonly CatalogueModel[], transfer: Transfer): CatalogueModel[] {
  const state = STATE_OF[transfer.state];
  return models.map((model) => {
    if (model.name !== transfer.name) return model;
    // The list says what became of it, and comes right after; until then a model that is here stays here.
    if (state === null || isHere(model)) return model;
    return { ...model, state, transfer };
  });
}

const STATE_OF: Record<TransferState, CatalogueModel["state"] | null> = {
  waiting: "downloading", connecting: "downloading", receiving: "downloading", retrying: "downloading", checking: "downloading",
  paused: "paused", failed: "failed", done: null, cancelled: null,
};

/** What loading a model has shown of it fills what the list leaves open. */
export function completed(model: CatalogueModel, info: ModelInfo | undefined): CatalogueModel {
  // The built-in model's texts are English: its card says so.
  const language = model.language ?? (model.state === "embedded" ? "en" : null);
  if (!info) return language === model.language ? model : { ...model, language };
  return {
    ...model,
    language,
    imageSize: model.imageSize ?? info.imageSize,
    embedDim: model.embedDim ?? info.embedDim,
    parameters: model.parameters ?? info.parameters,
    bytes: model.bytes ?? info.bytes,
    licence: model.licence ?? info.licence,
  };
}

/** Bytes that the weights take in memory: every value at 32 bits, whatever the file has. */
export function weightsInMemory(model: CatalogueModel): number | null {
  return model.parameters === null ? null : model.parameters * 4;
}

export function pullCommand(name: string): string {
  return `cliploupe-cli models pull ${quoted(name)}`;
}

/** As a shell takes it; names of the catalogue need no quotes. */
function quoted(name: string): string {
  return /^[\w@%+=:,./-]+$/u.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`;
}

export interface ModelFilter {
  /** Every word must be found. */
  text: string;
  here: boolean;
  recommended: boolean;
  /** Only licences that are known to allow commercial use. */
  commercial: boolean;
  language: "any" | "en" | "multilingual";
  /** An architecture group, or `any`. */
  group: string;
}

export const NO_FILTER: ModelFilter = { text: "", here: false, recommended: false, commercial: false, language: "any", group: "any" };

export function isFiltered(filter: ModelFilter): boolean {
  return filter.text.trim() !== "" || filter.here || filter.recommended || filter.commercial || filter.language !== "any" || filter.group !== "any";
}

/** `words`: everything by which a person may look for the model, in her language. */
export function passes(model: CatalogueModel, filter: ModelFilter, words: string): boolean {
  if (filter.here && !isHere(model) && model.transfer === null) return false;
  if (filter.recommended && model.recommended === null) return false;
  if (filter.commercial && model.noncommercial !== false) return false;
  if (filter.language !== "any" && model.language !== filter.language) return false;
  if (filter.group !== "any" && model.group !== filter.group) return false;
  return hasWords(words, filter.text);
}

/** `vit b32` finds `ViT-B-32`: case and the strokes between the parts of a name do not count. */
export function hasWords(haystack: string, text: string): boolean {
  const wanted = text.trim().toLocaleLowerCase().split(/\s+/u).filter((word) => word !== "");
  if (wanted.length === 0) return true;
  const [whole, joined] = [haystack.toLocaleLowerCase(), squeezed(haystack)];
  return wanted.every((word) => whole.includes(word) || (squeezed(word) !== "" && joined.includes(squeezed(word))));
}

function squeezed(text: string): string {
  return text.toLocaleLowerCase().replace(/[-_./]/gu, "");
}

export const ORDERS = ["recommended", "name", "bytes", "accuracy"] as const;
export type OrderBy = (typeof ORDERS)[number];
export interface ModelOrder {
  by: OrderBy;
  descending: boolean;
}

export const RECOMMENDED_FIRST: ModelOrder = { by: "recommended", descending: false };

/** A second click on a column turns it around; accuracy begins with the best, the others with the least. */
export function nextModelOrder(order: ModelOrder, by: OrderBy): ModelOrder {
  if (order.by === by && by !== "recommended") return { by, descending: !order.descending };
  return { by, descending: by === "accuracy" };
}

export type SectionId = "here" | "moving" | "recommended" | "rest" | "refused" | "all";
export interface Section {
  id: SectionId;
  models: CatalogueModel[];
}

const PURPOSES: readonly (string | null)[] = ["default", "small", "best", "multilingual"];

/** By recommendation the list has parts, in the order of use; any other order is one plain list. */
export function arranged(models: readonly CatalogueModel[], order: ModelOrder, compareNames: (a: string, b: string) => number): Section[] {
  if (order.by !== "recommended") return filled([{ id: "all", models: sorted(models, order, compareNames) }]);
  const isAway = (model: CatalogueModel) => !isHere(model) && model.transfer === null;
  const toBeHad = models.filter((model) => isAway(model) && model.unsupported === null);
  return filled([
    { id: "moving", models: models.filter((model) => !isHere(model) && model.transfer !== null) },
    // What the shell lists first is the built-in one, then the installed ones.
    { id: "here", models: models.filter(isHere) },
    { id: "recommended", models: toBeHad.filter((model) => model.recommended !== null).sort((a, b) => PURPOSES.indexOf(a.recommended) - PURPOSES.indexOf(b.recommended)) },
    { id: "rest", models: toBeHad.filter((model) => model.recommended === null) },
    { id: "refused", models: models.filter((model) => isAway(model) && model.unsupported !== null) },
  ]);
}

function filled(sections: Section[]): Section[] {
  return sections.filter((section) => section.models.length > 0);
}

function sorted(models: readonly CatalogueModel[], { by, descending }: ModelOrder, compareNames: (a: string, b: string) => number): CatalogueModel[] {
  const sign = descending ? -1 : 1;
  if (by === "name") return models.toSorted((a, b) => sign * compareNames(a.name, b.name));
  const figure = (model: CatalogueModel) => (by === "bytes" ? model.bytes : model.imagenetTop1);
  return models.toSorted((a, b) => {
    const [left, right] = [figure(a), figure(b)];
    // What is not known stands last, whichever way the others go.
    if (left === null || right === null) return Number(left === null) - Number(right === null) || compareNames(a.name, b.name);
    return sign * (left - right) || compareNames(a.name, b.name);
  });
}

/** The row to stand on after `key`; null when the key is not the list's. `from` is −1 with nothing selected. */
export function stepIn(key: string, from: number, count: number, perScreen: number): number | null {
  const last = count - 1;
  if (last < 0) return null;
  const at = (index: number) => Math.min(last, Math.max(0, index));
  switch (key) {
    case "ArrowDown": return from < 0 ? 0 : at(from + 1);
    case "ArrowUp": return from < 0 ? 0 : at(from - 1);
    case "PageDown": return at(Math.max(0, from) + perScreen);
    case "PageUp": return at(from - perScreen);
    case "Home": return 0;
    case "End": return last;
    default: return null;
  }
}
