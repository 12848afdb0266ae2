import { outlines } from './icons.gen';

export type IconName = keyof typeof outlines;

/** A Tabler outline. It always stands beside a word, so it is hidden from screen readers. */
export function Icon({ name, className = 'i' }: { name: IconName; className?: string }) {
  return (
    <svg
      className={className}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.75"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={outlines[name]} />
    </svg>
  );
}

export function Logo({ className }: { className?: string }) {
  return (
    <svg className={className} viewBox="0 0 32 32" role="img" aria-label="Vigil">
      <rect width="32" height="32" rx="7" fill="#0f3a44" />
      <path
        d="M7 10.5 16 25l9-14.5"
        fill="none"
        stroke="#fff"
        strokeWidth="4"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
      <circle cx="16" cy="9.5" r="3.25" fill="#7fe3b4" />
    </svg>
  );
}
