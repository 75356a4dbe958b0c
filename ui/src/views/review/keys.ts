// What the keys of the Review screen do, by what is on it: one suggestion, or a batch of them.
import type { ShortcutId } from "../../model/keys";
import type { Review } from "../../state/review.svelte";

type Actions = Partial<Record<ShortcutId, () => unknown>>;

export function reviewActions(review: Review): Actions {
  const { queue } = review;
  const steps: Actions = { reviewUndo: () => review.undo(), reviewRedo: () => review.redo() };
  if (review.tab !== "queue") return steps;
  if (queue.mode === "batch") return { ...steps, reviewAccept: () => queue.decideBatch("accept"), reviewReject: () => queue.decideBatch("reject") };
  return {
    ...steps,
    reviewAccept: () => queue.decide("accept"),
    reviewReject: () => queue.decide("reject"),
    reviewSkip: () => queue.skip(),
    reviewBack: () => queue.back(),
  };
}
