/** What the activities of the control queue know of the worker that they run on. */
export interface ActivityEnvironment {
  /** what an epoch belongs to: the id of the Temporal namespace */
  owner: string;
  reportsDirectory: string;
  /** where the Temporal UI is, for the links in messages; null: not known */
  temporalUiUrl: string | null;
}
