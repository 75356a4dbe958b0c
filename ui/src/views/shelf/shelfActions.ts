// What buttons and keys of the Library screen do, with the notes that tell of it.
import { t } from "../../state/i18n.svelte";
import type { Workspace } from "../../state/workspace.svelte";

/** Marks photos to be set aside, or takes the mark away; a note offers the way back. */
export async function setAside(app: Workspace, ids: readonly number[], marked: boolean): Promise<void> {
  if (ids.length === 0 || app.shelf.readOnly !== null) return;
  const isDone = await app.run(app.shelf.alike.mark(ids, marked).then(() => true));
  if (!isDone) return;
  app.toasts.show({
    text: t(marked ? "toast.marked" : "toast.unmarked", { count: ids.length }),
    tone: "plain",
    action: { label: t("action.undo"), run: () => void app.run(app.shelf.alike.mark(ids, !marked)) },
  });
}

/** Something that asks for a place and writes a file there. */
export async function save(app: Workspace, command: Promise<string | null>): Promise<void> {
  const path = await app.run(command);
  if (path) app.toasts.show({ text: t("toast.saved", { path }), tone: "plain" });
}

export async function stopWatching(app: Workspace, path: string): Promise<void> {
  const isDone = await app.run(app.backend.shelf.unwatchFolder(path).then(() => true));
  if (isDone) app.toasts.show({ text: t("toast.unwatched", { path }), detail: t("toast.photosStay"), tone: "plain" });
}

/** Takes tags over from sidecars: one step, which a note offers to undo. */
export async function takeOver(app: Workspace): Promise<void> {
  const { sidecars } = app.shelf;
  if (!(await sidecars.take())) return;
  const { tags = 0, photos = 0 } = sidecars.reading.value ?? {};
  app.toasts.show({ text: t("toast.taken", { tags, photos }), tone: "plain", action: { label: t("action.undo"), run: () => void undoTaking(app) } });
}

/** After that, what was found before is to be found again. */
async function undoTaking(app: Workspace): Promise<void> {
  const undone = await app.run(app.backend.review.undo());
  if (undone) await app.shelf.sidecars.look();
}
