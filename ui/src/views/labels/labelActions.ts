// Changes to the label list, each with a note that can take it back where something is lost.
import type { LabelPrompts, SavedLabelSet } from "../../ipc/bindings";
import { includesAll, parseLabels, reinserted, renamed, tidy, withLabels, without } from "../../model/labels";
import { movedPrompts, withoutPrompts, withPrompts } from "../../model/prompts";
import { t } from "../../state/i18n.svelte";
import type { Workspace } from "../../state/workspace.svelte";

export class LabelActions {
  constructor(readonly app: Workspace) {}

  get #labels(): readonly string[] {
    return this.app.labels.value.labels;
  }

  /** Adds every label in a typed or pasted text. */
  addText(text: string): void {
    this.add(parseLabels(text));
  }

  add(added: readonly string[]): void {
    const { labels, repeated } = withLabels(this.#labels, added);
    if (labels.length > this.#labels.length) this.app.labels.change({ labels });
    else if (repeated.length > 0) this.#sayKnown(repeated);
  }

  replace(labels: readonly string[]): void {
    const { labels: before, prompts, set } = this.app.labels.value;
    const gone = before.filter((label) => !labels.includes(label));
    this.app.labels.change({ labels: [...labels], prompts: withoutPrompts(prompts, gone), set: null });
    if (includesAll(labels, before)) return;
    this.#offerUndo(t("toast.labelsReplaced", { count: before.length }), () => this.app.labels.change({ labels: before, prompts, set }));
  }

  remove(label: string): void {
    const index = this.#labels.indexOf(label);
    const own = this.app.labels.value.prompts[label];
    this.app.labels.change({ labels: without(this.#labels, [label]), prompts: withoutPrompts(this.app.labels.value.prompts, [label]) });
    this.#offerUndo(t("toast.labelRemoved", { label }), () => {
      const prompts = own ? withPrompts(this.app.labels.value.prompts, label, own) : this.app.labels.value.prompts;
      this.app.labels.change({ labels: reinserted(this.#labels, label, index), prompts });
    });
  }

  removeAll(): void {
    this.replace([]);
  }

  /** False when the name is empty or taken; the row then shows its old one. */
  rename(index: number, name: string): boolean {
    const labels = renamed(this.#labels, index, name);
    if (!labels) {
      if (tidy(name) !== "") this.#sayKnown([name]);
      return false;
    }
    const [before, after] = [this.#labels[index] ?? "", labels[index] ?? ""];
    if (after !== before) this.app.labels.change({ labels, prompts: movedPrompts(this.app.labels.value.prompts, before, after) });
    return true;
  }

  /** Typing joins into one step of undo. */
  prompt(label: string, change: Partial<LabelPrompts>): void {
    this.app.labels.change({ prompts: withPrompts(this.app.labels.value.prompts, label, change) }, `prompts ${label}`);
  }

  /** A saved set in the place of the labels there are; those come back with a note. */
  async useSet(set: Pick<SavedLabelSet, "uid" | "name" | "version">): Promise<void> {
    const before = this.app.labels.value;
    await this.app.run(this.app.labelSets.use(set));
    if (this.app.labels.value === before || includesAll(this.#labels, before.labels)) return;
    this.#offerUndo(t("toast.labelsReplaced", { count: before.labels.length }), () => this.app.labels.change(before));
  }

  async loadFile(): Promise<void> {
    const labels = await this.app.run(this.app.backend.loadLabelFile());
    if (labels) this.add(labels);
  }

  #sayKnown(labels: readonly string[]): void {
    this.app.toasts.show({ text: t("toast.labelsKnown", { count: labels.length, label: labels[0] ?? "" }), tone: "plain" });
  }

  #offerUndo(text: string, run: () => void): void {
    this.app.toasts.show({ text, tone: "plain", action: { label: t("action.undo"), run } });
  }
}
