// Names of the ready-made sets. A set the catalogue does not know goes by its id.
import { t, type MessageKey } from "../../state/i18n.svelte";

interface Words {
  name: MessageKey;
  what: MessageKey;
}

const LABEL_SETS: Record<string, Words> = {
  everyday: { name: "labelSet.everyday", what: "labelSet.everyday.what" },
  scenes: { name: "labelSet.scenes", what: "labelSet.scenes.what" },
  animals: { name: "labelSet.animals", what: "labelSet.animals.what" },
  objects: { name: "labelSet.objects", what: "labelSet.objects.what" },
  food: { name: "labelSet.food", what: "labelSet.food.what" },
  documents: { name: "labelSet.documents", what: "labelSet.documents.what" },
};

const TEMPLATE_SETS: Record<string, MessageKey> = {
  three: "templateSet.three",
  one: "templateSet.one",
  simple7: "templateSet.simple7",
  openai80: "templateSet.openai80",
};

export function labelSetWords(id: string): { name: string; what: string } {
  const words = LABEL_SETS[id];
  return words ? { name: t(words.name), what: t(words.what) } : { name: id, what: "" };
}

export function templateSetName(id: string): string {
  const key = TEMPLATE_SETS[id];
  return key ? t(key) : id;
}
