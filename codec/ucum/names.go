package ucum

// names lists the names of the units (UCUM 2.2), one unit to a line: its code,
// then its name.
const names = `
m meter
s second
g gram
rad radian
K kelvin
C coulomb
cd candela
10* the number ten for arbitrary powers
10^ the number ten for arbitrary powers
[pi] the number pi
% percent
[ppth] parts per thousand
[ppm] parts per million
[ppb] parts per billion
[pptr] parts per trillion
mol mole
sr steradian
Hz hertz
N newton
Pa pascal
J joule
W watt
A ampère
V volt
F farad
Ohm ohm
S siemens
Wb weber
Cel degree Celsius
T tesla
H henry
lm lumen
lx lux
Bq becquerel
Gy gray
Sv sievert
gon gon
deg degree
' minute
'' second
l liter
L liter
ar are
min minute
h hour
d day
a_t tropical year
a_j mean Julian year
a_g mean Gregorian year
a year
wk week
mo_s synodal month
mo_j mean Julian month
mo_g mean Gregorian month
mo month
t tonne
bar bar
u unified atomic mass unit
eV electronvolt
AU astronomic unit
pc parsec
[c] velocity of light
[h] Planck constant
[k] Boltzmann constant
[eps_0] permittivity of vacuum
[mu_0] permeability of vacuum
[e] elementary charge
[m_e] electron mass
[m_p] proton mass
[G] Newtonian constant of gravitation
[g] standard acceleration of free fall
atm standard atmosphere
[ly] light-year
gf gram-force
[lbf_av] pound force
Ky Kayser
Gal Gal
dyn dyne
erg erg
P Poise
Bi Biot
St Stokes
Mx Maxwell
G Gauss
Oe Oersted
Gb Gilbert
sb stilb
Lmb Lambert
ph phot
Ci Curie
R Roentgen
RAD radiation absorbed dose
REM radiation equivalent man
[in_i] inch
[ft_i] foot
[yd_i] yard
[mi_i] mile
[fth_i] fathom
[nmi_i] nautical mile
[kn_i] knot
[sin_i] square inch
[sft_i] square foot
[syd_i] square yard
[cin_i] cubic inch
[cft_i] cubic foot
[cyd_i] cubic yard
[bf_i] board foot
[cr_i] cord
[mil_i] mil
[cml_i] circular mil
[hd_i] hand
[ft_us] foot
[yd_us] yard
[in_us] inch
[rd_us] rod
[ch_us] Gunter's chain
[lk_us] link for Gunter's chain
[rch_us] Ramden's chain
[rlk_us] link for Ramden's chain
[fth_us] fathom
[fur_us] furlong
[mi_us] mile
[acr_us] acre
[srd_us] square rod
[smi_us] square mile
[sct] section
[twp] township
[mil_us] mil
[in_br] inch
[ft_br] foot
[rd_br] rod
[ch_br] Gunter's chain
[lk_br] link for Gunter's chain
[fth_br] fathom
[pc_br] pace
[yd_br] yard
[mi_br] mile
[nmi_br] nautical mile
[kn_br] knot
[acr_br] acre
[gal_us] Queen Anne's wine gallon
[bbl_us] barrel
[qt_us] quart
[pt_us] pint
[gil_us] gill
[foz_us] fluid ounce
[fdr_us] fluid dram
[min_us] minim
[crd_us] cord
[bu_us] bushel
[gal_wi] historical winchester gallon
[pk_us] peck
[dqt_us] dry quart
[dpt_us] dry pint
[tbs_us] tablespoon
[tsp_us] teaspoon
[cup_us] cup
[foz_m] metric fluid ounce
[cup_m] metric cup
[tsp_m] metric teaspoon
[tbs_m] metric tablespoon
[gal_br] gallon
[pk_br] peck
[bu_br] bushel
[qt_br] quart
[pt_br] pint
[gil_br] gill
[foz_br] fluid ounce
[fdr_br] fluid dram
[min_br] minim
[gr] grain
[lb_av] pound
[oz_av] ounce
[dr_av] dram
[scwt_av] short hundredweight
[lcwt_av] long hundredweight
[ston_av] short ton
[lton_av] long ton
[stone_av] stone
[pwt_tr] pennyweight
[oz_tr] ounce
[lb_tr] pound
[sc_ap] scruple
[dr_ap] dram
[oz_ap] ounce
[lb_ap] pound
[oz_m] metric ounce
[lne] line
[pnt] point
[pca] pica
[pnt_pr] Printer's point
[pca_pr] Printer's pica
[pied] pied
[pouce] pouce
[ligne] ligne
[didot] didot
[cicero] cicero
[degF] degree Fahrenheit
[degR] degree Rankine
[degRe] degree Réaumur
cal_[15] calorie at 15 °C
cal_[20] calorie at 20 °C
cal_m mean calorie
cal_IT international table calorie
cal_th thermochemical calorie
cal calorie
[Cal] nutrition label Calories
[Btu_39] British thermal unit at 39 °F
[Btu_59] British thermal unit at 59 °F
[Btu_60] British thermal unit at 60 °F
[Btu_m] mean British thermal unit
[Btu_IT] international table British thermal unit
[Btu_th] thermochemical British thermal unit
[Btu] British thermal unit
[HP] horsepower
tex tex
[den] Denier
m[H2O] meter of water column
m[Hg] meter of mercury column
[in_i'H2O] inch of water column
[in_i'Hg] inch of mercury column
[PRU] peripheral vascular resistance unit
[wood'U] Wood unit
[diop] diopter
[p'diop] prism diopter
%[slope] percent of slope
[mesh_i] mesh
[Ch] Charrière
[drp] drop
[hnsf'U] Hounsfield unit
[MET] metabolic equivalent
[hp'_X] homeopathic potency of decimal series (retired)
[hp'_C] homeopathic potency of centesimal series (retired)
[hp'_M] homeopathic potency of millesimal series (retired)
[hp'_Q] homeopathic potency of quintamillesimal series (retired)
[hp_X] homeopathic potency of decimal hahnemannian series
[hp_C] homeopathic potency of centesimal hahnemannian series
[hp_M] homeopathic potency of millesimal hahnemannian series
[hp_Q] homeopathic potency of quintamillesimal hahnemannian series
[kp_X] homeopathic potency of decimal korsakovian series
[kp_C] homeopathic potency of centesimal korsakovian series
[kp_M] homeopathic potency of millesimal korsakovian series
[kp_Q] homeopathic potency of quintamillesimal korsakovian series
eq equivalents
osm osmole
[pH] pH
g% gram percent
[S] Svedberg unit
[HPF] high power field
[LPF] low power field
kat katal
U Unit
[iU] international unit
[IU] international unit
[arb'U] arbitrary unit
[USP'U] United States Pharmacopeia unit
[GPL'U] GPL unit
[MPL'U] MPL unit
[APL'U] APL unit
[beth'U] Bethesda unit
[anti'Xa'U] anti factor Xa unit
[todd'U] Todd unit
[dye'U] Dye unit
[smgy'U] Somogyi unit
[bdsk'U] Bodansky unit
[ka'U] King-Armstrong unit
[knk'U] Kunkel unit
[mclg'U] Mac Lagan unit
[tb'U] tuberculin unit
[CCID_50] 50% cell culture infectious dose
[TCID_50] 50% tissue culture infectious dose
[EID_50] 50% embryo infectious dose
[PFU] plaque forming units
[FFU] focus forming units
[CFU] colony forming units
[IR] index of reactivity
[BAU] bioequivalent allergen unit
[AU] allergen unit
[Amb'a'1'U] allergen unit for Ambrosia artemisiifolia
[PNU] protein nitrogen unit
[Lf] Limit of flocculation
[D'ag'U] D-antigen unit
[FEU] fibrinogen equivalent unit
[ELU] ELISA unit
[EU] Ehrlich unit
Np neper
B bel
B[SPL] bel sound pressure
B[V] bel volt
B[mV] bel millivolt
B[uV] bel microvolt
B[10.nV] bel 10 nanovolt
B[W] bel watt
B[kW] bel kilowatt
st stere
Ao Ångström
b barn
att technical atmosphere
mho mho
[psi] pound per square inch
circ circle
sph sphere
[car_m] metric carat
[car_Au] carat of gold alloys
[smoot] Smoot
[m/s2/Hz^(1/2)] meter per square seconds per square root of hertz
[NTU] Nephelometric Turbidity Unit
[FNU] Formazin Nephelometric Unit
bit_s bit
bit bit
By byte
Bd baud
`
