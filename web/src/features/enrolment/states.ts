import { EnrolmentState } from '../../state/enrolments.ts';

const names = {
  [EnrolmentState.UNSPECIFIED]: 'running',
  [EnrolmentState.RUNNING]: 'running',
  [EnrolmentState.DONE]: 'done',
  [EnrolmentState.CANCELLED]: 'cancelled',
  [EnrolmentState.FAILED]: 'failed',
  [EnrolmentState.UNDOING]: 'undoing',
  [EnrolmentState.UNDONE]: 'undone',
} as const;

/** stateName is the key of a state's words (t.enrolment.states) and of its colour. */
export function stateName(state: EnrolmentState): (typeof names)[EnrolmentState] {
  return names[state];
}
