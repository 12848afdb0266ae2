import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core';

// Ink is the colour of action: the last shade by day, the first by night.
const ink: MantineColorsTuple = [
  '#d9e8ea',
  '#c3d6d9',
  '#a4bec3',
  '#7fa0a7',
  '#5c838b',
  '#40696f',
  '#2b565f',
  '#1a505c',
  '#144550',
  '#0f3a44',
];

export const theme = createTheme({
  primaryColor: 'ink',
  primaryShade: { light: 9, dark: 0 },
  colors: { ink },
  defaultRadius: 6,
  autoContrast: true,
  focusRing: 'auto',
  fontFamily: 'var(--font)',
  fontFamilyMonospace: 'var(--font-code)',
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.25rem' },
});

/** Mantine draws with Vigil's tokens, so that day and night are decided in one place. */
export const variables: CSSVariablesResolver = () => {
  const ours = {
    '--mantine-color-body': 'var(--surface)',
    '--mantine-color-text': 'var(--ink)',
    '--mantine-color-dimmed': 'var(--ink-2)',
    '--mantine-color-default-border': 'var(--line-strong)',
    '--mantine-color-default': 'var(--surface)',
    '--mantine-color-default-hover': 'var(--hover)',
    '--mantine-color-default-color': 'var(--ink)',
    '--mantine-color-placeholder': 'var(--ink-3)',
    '--mantine-color-error': 'var(--bad)',
  };
  return { variables: {}, light: ours, dark: ours };
};
