// What the shell answers about suggestions, decisions and how good the ones are by the others.
import type {
  EvaluationQuery, EvaluationReport, LabelCard, Queue, QueueQuery, ReviewState, ReviewVerdict, StepDone, ThresholdEffect,
} from "./bindings";

export interface ReviewBackend {
  /** Where review stands. Changes come as events. */
  state(): Promise<ReviewState>;
  /** Scores every photo against the label set in use and keeps what reaches each label's threshold. Resolves when that is done. */
  suggest(): Promise<void>;
  /** Stops suggesting; the suggestions before stay. */
  cancelSuggest(): Promise<void>;
  /** The beginning of what waits for a verdict. */
  queue(query: QueueQuery): Promise<Queue>;
  /** One step that can be undone, however many photos it is. The label need not have been suggested: accepting adds a tag. */
  decide(photos: number[], label: string, verdict: ReviewVerdict): Promise<void>;
  /** A verdict on every waiting suggestion of a label with at least this probability; resolves with how many there were. */
  decideAll(label: string, minProbability: number, verdict: ReviewVerdict): Promise<number>;
  undo(): Promise<StepDone | null>;
  redo(): Promise<StepDone | null>;
  /** One label over the library: its histogram, threshold and photos beside it. */
  labelCard(label: string): Promise<LabelCard>;
  /** What another threshold would come to. */
  thresholdEffect(label: string, threshold: number): Promise<ThresholdEffect>;
  /** Null goes back to the default. Suggestions follow. */
  setThreshold(label: string, threshold: number | null): Promise<void>;
  /** Renames a tag everywhere; if the new name is a tag already, the two become one. One step that can be undone. */
  renameTag(from: string, to: string): Promise<void>;
  /** Suggestions against decisions. Comparing with another model encodes the decided photos first, which takes a while. */
  evaluate(query: EvaluationQuery): Promise<EvaluationReport>;
  /** Asks for a place and writes the newest evaluation there; its path, or null when cancelled. */
  saveEvaluation(format: "markdown" | "json"): Promise<string | null>;
}
