import {
  useId,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
} from 'react';

import styles from './Field.module.css';

interface Frame {
  label: string;
  help?: string | undefined;
  /** What is wrong with what was typed; what was typed stays. */
  error?: string | undefined;
}

function Framed({ id, label, help, error, children }: Frame & { id: string; children: ReactNode }) {
  return (
    <div className={styles['field']}>
      <label htmlFor={id}>{label}</label>
      {children}
      {(error ?? help) && (
        <small
          id={`${id}-help`}
          className={error ? styles['error'] : styles['help']}
          role={error ? 'alert' : undefined}
        >
          {error ?? help}
        </small>
      )}
    </div>
  );
}

function described(id: string, { help, error }: Frame) {
  return { 'aria-describedby': (error ?? help) ? `${id}-help` : undefined, 'aria-invalid': error ? true : undefined };
}

/** Field is a labelled line of input. */
export function Field({ label, help, error, ...input }: Frame & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <Framed id={id} label={label} help={help} error={error}>
      <input id={id} className={styles['input']} {...described(id, { label, help, error })} {...input} />
    </Framed>
  );
}

/** TextArea is a labelled text of several lines. */
export function TextArea({ label, help, error, ...input }: Frame & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return (
    <Framed id={id} label={label} help={help} error={error}>
      <textarea id={id} rows={3} className={styles['input']} {...described(id, { label, help, error })} {...input} />
    </Framed>
  );
}

/** Select is a labelled choice of one. */
export function Select({ label, help, error, ...input }: Frame & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId();
  return (
    <Framed id={id} label={label} help={help} error={error}>
      <select id={id} className={styles['input']} {...described(id, { label, help, error })} {...input} />
    </Framed>
  );
}

interface ChoicesProps<T extends string | number> {
  label: string;
  help?: string;
  value: T;
  /** help says what an option means. */
  options: readonly { value: T; label: string; help?: string }[];
  onChange: (value: T) => void;
}

/** Choices shows all options of a choice at once. */
export function Choices<T extends string | number>({ label, help, value, options, onChange }: ChoicesProps<T>) {
  const name = useId();
  return (
    <fieldset className={styles['choices']} aria-describedby={help ? `${name}-help` : undefined}>
      <legend>{label}</legend>
      {help && (
        <small id={`${name}-help`} className={styles['help']}>
          {help}
        </small>
      )}
      {options.map((option) => (
        <div key={option.value} className={styles['choice']}>
          <input
            type="radio"
            id={`${name}-${option.value}`}
            name={name}
            checked={option.value === value}
            aria-describedby={option.help ? `${name}-${option.value}-help` : undefined}
            onChange={() => onChange(option.value)}
          />
          <label htmlFor={`${name}-${option.value}`}>{option.label}</label>
          {option.help && (
            <small id={`${name}-${option.value}-help`} className={styles['help']}>
              {option.help}
            </small>
          )}
        </div>
      ))}
    </fieldset>
  );
}
